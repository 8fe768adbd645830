"""DICOM: header, frames, pixels and MRI sequence."""
