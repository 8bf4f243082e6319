"""Code that runs inside a user's own process: pins from outside, hooks that observe, and a trace.

The interpreter imports ``sitecustomize`` by itself when it starts. It calls ``start``, which
creates the :class:`~detaudit_probes.hooks.session.Session` for the sources' functions. ``imports``
calls them when a framework is imported, ``keras`` chooses who observes trainings, and ``sites``
collects the lines that drew random numbers.
"""
