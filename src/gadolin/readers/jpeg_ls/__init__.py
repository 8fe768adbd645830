"""JPEG-LS (ITU-T T.87)."""
