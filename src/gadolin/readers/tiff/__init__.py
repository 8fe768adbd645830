"""TIFF files that Pillow refuses or reduces to 8 bits."""
