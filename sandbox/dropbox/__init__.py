"""A simulated Dropbox."""
