"""The messages as JSON Schema and AsyncAPI, made from the types."""
