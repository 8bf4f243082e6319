"""What the guest's declarations offer: sources, pins, the base condition, recipes."""
