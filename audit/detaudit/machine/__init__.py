"""Facts about this machine, and the variables that affect results."""
