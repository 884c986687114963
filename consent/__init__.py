"""The weekly consent report of a clinical registry, from REDCap to Dropbox.

The flow, one way, a file (or folder) for each stage::

    study.py      what to count            settings.py, credentials.py   where things are, and the keys
    redcap/       the export, all or nothing
    export_file   the same rows from a CSV file exported by hand
    consents      rows -> one row per consent: what its decision and date say
    participants  consents -> one row per participant
    tally         participants -> counts that add up
    summary       counts -> the numbers of one report
    reports/      numbers -> files
    report_set    files -> a set: names, places, fingerprints, manifest
    delivery      a set -> a plan, carried out by dropbox_folder or local_folder

run.py is where deciding and doing meet; services.py builds the real clients; cli.py and function_app.py are doors.
"""

__version__ = "0.1.0"
