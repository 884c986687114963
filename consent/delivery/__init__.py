"""Report files -> a plan -> a Dropbox or local folder."""
