"""The Azure Functions app: handlers, the HTTP API, and the status page (overview + page_model -> page -> templates)."""
