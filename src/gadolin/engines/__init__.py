"""Engines: the same function over many tasks, in this process, in several, or on a cluster."""
