"""The files of a run, read and checked."""
