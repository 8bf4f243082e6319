"""From a document to a page: what is said, in blocks, for whatever format."""
