"""What knows no science: files, provenance, executors, stored tasks, statistics, results."""
