"""Inside a user's own process: pins from outside, hooks that watch, and a trace that is left
behind.

``sitecustomize`` is what the interpreter imports by itself when it starts; it calls ``start``,
which makes the
:class:`~detaudit_probes.hooks.session.Session` that the sources' functions are given. ``imports``
calls them when a framework is imported, ``keras_watch`` chooses who observes trainings, ``sites``
collects the lines that drew.
"""
