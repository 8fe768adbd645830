"""What the commands do, as functions that return values: one file for each."""
