"""Public data sets: how each is fetched, recognised and scanned."""
