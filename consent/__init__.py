"""The weekly consent report of a clinical registry, from REDCap to Dropbox.

A report goes through these packages, from left to right::

    studies  ->  redcap  ->  counting  ->  reports  ->  delivery
    rules        rows        numbers       files        Dropbox or a folder

``runs/pipeline.py`` shows the whole flow on one page. Each package imports only from the packages above it:

    errors, dates, files    failures; days and weeks; report files
    config                  settings, secrets, Key Vault, HTTP sessions
    studies, delivery       the study file and its schedule; report set, delivery plan, Dropbox, local folder
    redcap                  project, data dictionary, complete export
    counting                rows -> consents -> participants -> tally -> summary
    reports                 summary -> CSV, JSON, Excel, PDF
    runs                    pipeline, worker, lease, scheduler, run history
    app, cli                Azure Functions handlers and the status page; commands
"""
