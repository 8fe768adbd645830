"""TIFF files that Pillow refuses or flattens."""
