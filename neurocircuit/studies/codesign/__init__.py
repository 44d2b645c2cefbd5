"""Co-design: circuit parameters against accuracy, energy and latency with one fixed checkpoint.

What a successor must know:

- A study is one TOML file (study.py) and one folder: an SQLite file of Optuna, a lock for each worker, and at the end
  result.json. Each fidelity is an Optuna study of its own in that file, because values of two fidelities do not mix.
- What a trial is depends on the study and on its position in the order of trials, on no process: with one worker a
  killed and resumed study is the same as an uninterrupted one (store.py).
- All trials meet the same images, chips and seeds, so that designs differ by their circuits.
- A design that cannot be mapped is no crash: each limit is a constraint whose value says how far it is broken.
"""
