"""A user's program: what the command line names, its runs in fresh processes or from a nest, and
the files that they see and leave.
"""
