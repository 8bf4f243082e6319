"""One folder a command. None imports another."""
