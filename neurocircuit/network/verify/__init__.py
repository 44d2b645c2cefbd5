"""Did the noise model tell the truth: trained neurons and whole images on a circuit level, against its prediction."""
