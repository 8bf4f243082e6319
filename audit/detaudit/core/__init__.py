"""Values, and functions on values: no process, no terminal."""
