"""Create a study file from the data dictionary of a REDCap project."""
