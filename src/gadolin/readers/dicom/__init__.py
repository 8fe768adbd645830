"""DICOM: header, frames, pixels, and which MRI sequence a frame is."""
