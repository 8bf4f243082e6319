"""``detaudit run``: runs a user's own, unmodified training several times.

``program`` and ``supervise`` start it. ``repeat``, ``search`` and ``blame`` are experiments on it
(generators that request trials, see ``runner``). ``edits`` and ``fix`` write the solution as a diff
and run the fixed program. ``investigate`` combines all of this, and ``findings`` has the types of
the results.
"""
