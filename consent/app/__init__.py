"""The Azure Functions app: handlers, the HTTP API and the status page."""
