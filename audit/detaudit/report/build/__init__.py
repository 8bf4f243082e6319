"""From findings to the document."""
