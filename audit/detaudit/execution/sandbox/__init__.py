"""Sandboxes: a trial's own view of the user's folder, so that nothing that a trial writes there
reaches the user.

``overlay`` mounts a view over the folder, at the same path, without copying. ``copies`` gives every
trial a copy, at another path. ``in_place`` runs in the folder itself and restores it from a
journal. Trying shows which of them work (:mod:`detaudit.execution.sandbox.choice`); a trial is
started in a :class:`~detaudit.execution.sandbox.view.View`.
"""
