"""What runs trials: processes in the interpreter under test, or of a program of the user."""
