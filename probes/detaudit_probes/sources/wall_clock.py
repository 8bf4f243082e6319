"""A budget of time: a training that ends after so many seconds has another number of steps in every
run.

It is the clock again, not as a seed but as an end. From outside it is held as the clock is: by one
that moves on by a fixed tick at every call (pin ``clock``).
"""

from detaudit_probes.declare import Link, Source

ID = "wall-clock"

SOURCE = Source(
    id=ID,
    family="order",
    title="a budget of wall time",
    breaks="Training ends when a clock says so, after another number of steps in every run.",
    experiment=None,
    links=(Link("time.monotonic", "https://docs.python.org/3/library/time.html#time.monotonic"),),
    advice="End a training after a number of steps or epochs; measure the time, but do not decide by it.",
)
