"""Settings, secrets and connections."""
