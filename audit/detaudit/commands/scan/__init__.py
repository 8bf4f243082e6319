"""``detaudit scan``: the sources, tried on tiny models."""
