"""Time and memory of reading, preparation, prediction and training."""
