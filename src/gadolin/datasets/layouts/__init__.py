"""Layouts of data sets on disk: class folders, or images with a table."""
