"""The package itself: structure, file formats, regression cases and backbones."""
