"""Input that a run itself changes: a cache, a checkpoint to warm-start from, a file that is appended to.

The second run then reads what the first has left, and is another training. No pin holds it; the
option ``--copy`` gives every run a folder of its own.
"""
from detaudit_probes.declare import Source

ID = "input-changed"

SOURCE = Source(
    id=ID,
    family="order",
    title="input that a run itself changes",
    breaks="A run reads what the run before it has written.",
    experiment=None,
    advice="Write to a folder of its own in every run, or run with --copy.",
)
