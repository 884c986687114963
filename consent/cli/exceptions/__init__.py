"""The records to review: a list for one person, or data quality rules for REDCap."""
