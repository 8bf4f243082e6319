"""The document's types, one module per version."""
