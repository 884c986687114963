"""The version that every delivered file, run and page names."""

__version__ = "0.1.0"
