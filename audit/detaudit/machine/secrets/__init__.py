"""Finds and masks secrets in a text: by the names beside them, by their form, by their value."""
