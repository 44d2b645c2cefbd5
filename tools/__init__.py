"""What serves this repository only: none of it is in the wheel."""
