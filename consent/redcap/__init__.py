"""Read a REDCap project: its description, a complete export of its records, or a CSV export made by hand."""
