"""The code that runs trials: processes in the interpreter under test, or of the user's program."""
