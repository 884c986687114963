"""Simulated services for the demo and the tests, on this machine only."""
