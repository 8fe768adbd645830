"""Archives on the network: a DICOM node that answers the series it receives, and DICOMweb.

Needs the extra ``hospital``.
"""
