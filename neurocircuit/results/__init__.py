"""What a run leaves and a report reads: the type of each kind of result, without what computes it."""
