"""``consent login``: sign in to Dropbox once and save the credentials for the runs."""
