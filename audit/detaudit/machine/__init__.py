"""What is known of this machine and of the variables that bear on results."""
