"""Training: records in, a run folder with a bundle out. Needs torch."""
