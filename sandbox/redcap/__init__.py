"""A stand-in for a REDCap server."""
