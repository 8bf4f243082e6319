"""The operation at which runs part, as values: what replays of one step, or of one operation,
showed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detaudit.core.notes import Executed


@dataclass(frozen=True)
class Replays:
    """So many calls on the same inputs under one condition, and how many distinct results they
    gave.
    """

    replays: int
    distinct: int

    @property
    def parted(self) -> bool:
        return self.distinct > 1


@dataclass(frozen=True)
class Guilty:
    """The operation at which replays parted, seen with every operation of the call watched.

    ``limits`` are the least and greatest elements of inputs that are integers. ``call`` is how
    ``tf.raw_ops`` takes it: (argument, places of its inputs), then (``attribute`` NAME, value).
    """

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    device: str
    attributes: Mapping[str, Any]
    replays: Replays
    limits: tuple[tuple[int, int] | None, ...] = ()
    call: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, event: Executed, count: Replays) -> "Guilty":
        return cls(
            event.operation,
            event.shapes,
            event.results,
            event.device,
            event.attributes,
            count,
            event.limits,
            event.call,
        )


@dataclass(frozen=True)
class Passage:
    """Consecutive operations of one stage that work for one layer or variable, one call of a layer
    for instance.

    ``inputs`` and ``outputs`` say how many distinct ones there were in all replays: one, where they
    repeat.
    """

    stage: str
    layer: str
    operations: int
    inputs: int
    outputs: int

    @property
    def born_here(self) -> bool:
        return self.inputs == 1 < self.outputs


@dataclass(frozen=True)
class Pinpoint:
    """The operation at which a replayed step parts; ``guilty`` is None where only the layer was
    asked for.

    ``kind`` says what was replayed: ``fit``, ``train_on_batch``, ``tf.function``, ``jax.jit``; an
    ``eager loop`` was watched once in each process.

    ``born``: ``kernel`` (equal state, other results in one process), ``state`` (equal inputs, other
    results in another process), ``python`` (Python code, no operation, gave it other inputs),
    ``input`` (what the operation was given differed between the processes already), ``other`` (they
    execute other operations from there on), or nothing. ``watched``, ``eager`` and ``compiled`` are
    the replays of the step as a whole: with every operation watched, without, and as it was
    compiled. ``same_watched``, ``same_eager``: do watching, and eager execution, give bits that the
    step has without? None where that was not seen. ``passages`` is the watched step, layer by
    layer, in order. ``failed`` says why the step could not be replayed. ``same_step``: does a
    replay that repeats itself end on the bits on which the step itself ended? Null where replays
    part.
    """

    kind: str
    operations: int
    born: str = ""
    guilty: Guilty | None = None
    stage: str = ""
    layer: str = ""
    line: str = ""
    watched: Replays | None = None
    eager: Replays | None = None
    compiled: Replays | None = None
    same_watched: bool | None = None
    same_eager: bool | None = None
    passages: tuple[Passage, ...] = ()
    failed: str = ""
    same_step: bool | None = None
