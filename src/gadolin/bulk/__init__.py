"""Predictions of very many files: listings, partitions of answers in Parquet, and jobs that can be resumed."""
