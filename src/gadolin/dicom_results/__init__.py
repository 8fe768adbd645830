"""Predictions as DICOM objects of the same study: a report (SR, TID 1500), outlines (SEG), pictures, a rejection note.

Needs the extra ``hospital``.
"""
