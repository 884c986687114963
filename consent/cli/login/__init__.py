"""Signing in to Dropbox once, with a person at the terminal, and keeping what a run needs of it."""
