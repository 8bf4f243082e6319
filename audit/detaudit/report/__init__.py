"""The report: one versioned JSON document, and its faces.

``v1`` is the document's schema, ``build`` makes it from an audit, ``write`` and ``read`` carry it
to a file and back, and ``terminal``, ``markdown`` and ``junit`` draw it from the document alone.
"""
