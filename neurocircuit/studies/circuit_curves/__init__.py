"""Accuracy of whole images over one circuit quantity at a time."""
