"""Training of the packaged model and making of its bundle."""
