"""What is secret in a text, and masking it: by the names beside it, by its form, by its value."""
