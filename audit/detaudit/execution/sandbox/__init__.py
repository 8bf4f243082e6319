"""Sandboxes: a trial's own view of the user's folder, so that nothing that a trial writes there
reaches the user.

``overlay`` mounts one over the folder, at the same path; nothing is copied. ``copies`` gives every
trial a copy, at another path. ``in_place`` runs in the folder itself and restores it from a
journal. Which of them can be had is found out by trying (:mod:`detaudit.execution.sandbox.choice`);
what a trial is started in is a :class:`~detaudit.execution.sandbox.view.View`.
"""
