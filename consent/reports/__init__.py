"""Summary -> CSV, JSON, Excel and PDF files."""
