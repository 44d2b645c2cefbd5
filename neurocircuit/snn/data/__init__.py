"""Images for training: readers of the ordinary files, augmentation, and a sampler whose position can be saved."""
