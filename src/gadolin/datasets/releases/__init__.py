"""Public data sets: fetching, recognition and scanning."""
