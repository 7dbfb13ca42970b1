"""One protocol for every model, one gate for every answer."""
