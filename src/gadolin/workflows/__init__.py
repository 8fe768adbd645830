"""The work of each command as a function that returns values: one file per command."""
