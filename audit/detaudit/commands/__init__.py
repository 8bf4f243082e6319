"""One folder per command. No command imports another."""
