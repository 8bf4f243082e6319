"""From a page to text: one file per format."""
