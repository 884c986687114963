"""A local host for a function app, with Microsoft's own runtime."""
