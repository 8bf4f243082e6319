"""The document's types, one module a version."""
