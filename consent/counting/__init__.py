"""Rows of an export -> consents -> participants -> tally -> summary."""
