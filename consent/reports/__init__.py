"""Summary -> sections -> CSV, JSON, Excel and PDF files; ``templates/report.typ`` lays out the PDF's pages."""
