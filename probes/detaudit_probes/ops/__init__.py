"""Single operations of a framework, replayed: the catalogue, and how each is called repeatedly."""
