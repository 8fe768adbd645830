"""The version, read by the build and by ``gadolin --version``."""

__version__ = "0.1.0"
