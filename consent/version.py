"""The version shown in every delivered file, run and page."""

__version__ = "0.1.0"
