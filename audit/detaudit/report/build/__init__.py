"""From what was found to the document."""
