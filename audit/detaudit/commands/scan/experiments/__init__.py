"""The experiments of a scan: generators that request trials and return a finding (see ``runner``).

``control`` comes first and alone. ``unpin`` and ``compare`` are the experiments on a source;
``matrix``, ``ladder``, ``cost``, ``placebos`` and ``reach`` are the other sections of a report.
``tally`` counts pairs for all of them.
"""
