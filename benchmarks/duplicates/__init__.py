"""Duplicate detection, compared with other tools."""
