"""The run history, in SQLite or in an Azure table."""
