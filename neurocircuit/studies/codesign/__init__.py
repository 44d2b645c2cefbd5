"""Circuit parameters against accuracy, energy and latency with one fixed checkpoint; PVT; curves over quantities.

What a successor must know:

- A study is one TOML file (study.py) and one folder: an SQLite file of Optuna, a lock for each worker, and at the end
  result.json. Each fidelity is an Optuna study of its own in that file, because values of two fidelities do not mix.
- What a trial is depends on the study and on its place in the order of trials, on no process: with one worker a killed
  and resumed study is the same as an uninterrupted one (store.py).
- All trials see the same images, chips and seeds, so that designs differ by their circuits.
- A design that cannot be mapped is no crash: each limit is a constraint whose value says how far it is broken.
- Curves (quantities.py, curves.py, curve_rows.py) need no store: a task is one network at one point, its result one
  file with all that it depends on, and the rows are made from the files.
"""
