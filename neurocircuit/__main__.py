"""python -m neurocircuit."""

from neurocircuit.cli import main

main()
