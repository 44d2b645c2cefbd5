"""From a circuit to the accuracy of a network on it: one file (loop.toml), one call, one report.

What a successor must know:

- A stage is a folder below the run's and a record in stages/ (core/taskstore.py). Its key holds its settings, the
  hashes of the files of earlier stages that it reads, and the code; where key and files are unchanged it does not run.
- Each stage is one call of the API that commands call too; what it leaves is what its command leaves, report included.
"""
