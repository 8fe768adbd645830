"""Fuzzing of the readers, the folder scan and the service."""
