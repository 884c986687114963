"""Study files: what to count, and when the report is due."""
