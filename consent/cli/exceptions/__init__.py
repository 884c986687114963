"""The records that a data manager should look at, as a list or as REDCap's own data quality rules."""
