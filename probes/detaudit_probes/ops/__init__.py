"""Single operations of a framework, replayed: what is in the catalogue, and how each is called
again and again.
"""
