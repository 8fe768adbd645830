"""Download, recognise and scan public data sets."""
