"""Training by a recipe: the run, its optimiser, its log, several processes."""
