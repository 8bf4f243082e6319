"""The report: one versioned JSON document, and what is rendered from it.

``schema`` has the document's types, ``build`` makes it from what an audit found, ``write`` and
``read`` carry it to a file and back. ``pages`` says it in blocks, and ``formats`` makes text of
them; both know the document alone.
"""
