"""``detaudit run``: a user's own training, unmodified, run several times.

``program`` and ``supervise`` start it; ``repeat``, ``search`` and ``blame`` are experiments on it
(generators that ask for trials, see ``runner``); ``edits`` and ``fix`` write what was found as a
diff and run the fixed program; ``investigate`` is the whole of it, and ``findings`` what comes out.
"""
