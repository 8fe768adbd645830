"""A process in which files are decoded, with bounds on memory and time."""
