"""A wall-time budget: training that ends after a number of seconds has a different number of steps
in every run.

It depends on the clock, which decides not a seed but when training ends. detaudit pins it from
outside with a clock that advances by a fixed tick at every call (pin ``clock``).
"""

from detaudit_probes.declare import Edit, Link, Source
from detaudit_probes.sources import clock

ID = "wall-clock"

SOURCE = Source(
    id=ID,
    family="order",
    title="a wall-time budget",
    breaks="Training ends after a given time, so the number of steps varies from run to run.",
    experiment=None,
    links=(Link("time.monotonic", "https://docs.python.org/3/library/time.html#time.monotonic"),),
    edits=(Edit("rounds", calls=clock.TIMES),),
    advice="End training after a number of steps or epochs, not after a given time.",
)
