"""Programs that a benchmark starts as separate processes, some with another Python."""
