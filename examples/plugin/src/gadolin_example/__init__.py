"""An example of a plug-in for Gadolin: one of each kind."""
