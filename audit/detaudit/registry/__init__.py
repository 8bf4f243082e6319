"""What the guest declares: sources, pins, the base condition, recipes."""
