"""From a page to text: one file a format."""
