"""From a document to a page: its statements as blocks, for any format."""
