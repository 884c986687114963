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
    guard         the totals beside those of the last report: may it be delivered?
    delivery      a set -> a plan, carried out by dropbox_folder or local_folder

run.py is where deciding and doing meet; known_studies.py finds the study files, services.py builds the real clients.
When there is a run, and what is kept::

    due           which Monday's report is due, and which is late
    queueing      what is due, asked for or stuck -> records and messages
    execution     a message -> one run under its claim (claim.py) -> what came of it, recorded
    ledger        the record of a run; kept by sqlite_ledger or table_ledger

cli.py and function_app.py are the doors; behind those of the function app stands doors.py. What a person does before
the first Monday and beside the later ones is in setup/, a folder a verb: init, login, check, exceptions, compare.
"""
