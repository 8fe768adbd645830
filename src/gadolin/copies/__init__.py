"""Copies of one slice, however they were mirrored, turned, rescaled, cut or saved again."""

from gadolin.copies.find import COPY_CORRELATION, Copies, Copy, find_copies

__all__ = ["COPY_CORRELATION", "Copies", "Copy", "find_copies"]
