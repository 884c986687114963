"""A local host for a function app, under Microsoft's own runtime."""
