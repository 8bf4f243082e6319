"""The report: one versioned JSON document, and what is rendered from it.

``schema`` has the document's types, ``build`` creates it from an audit's findings, ``write`` and
``read`` store and load it. ``pages`` turns it into blocks, and ``formats`` turns these into text;
both use only the document.
"""
