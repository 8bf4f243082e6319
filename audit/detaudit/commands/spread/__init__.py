"""``detaudit spread``: how far results are apart if only the seed differs."""
