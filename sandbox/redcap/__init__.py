"""A simulated REDCap server."""
