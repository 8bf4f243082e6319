"""What a program has printed and saved, read in the interpreter under audit: ``python -m
detaudit_probes.contents FOLDER``.

A file is read by its content, whatever its name. It becomes leaves: an array, a number, a line of
text, each with its place in the file. Nothing is unpickled, and nothing of the program is imported.
"""
