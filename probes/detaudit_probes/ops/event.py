"""One executed operation as a value, and where several replays of a step part."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from detaudit_probes.protocol import NOT_KNOWN


class Event(NamedTuple):
    """One operation as it was executed. ``inputs`` and ``outputs`` are fingerprints, a variable's
    state among them.

    ``shapes`` and ``results`` say what the inputs and outputs are; ``foreign`` are the places of
    those inputs that no operation made: data, constants, and what Python code computed. ``limits``
    are the least and the greatest element of inputs that are integers. ``stage`` is one of
    ``forward``, ``gradient`` and ``update``, ``layer`` the layer or the variable that it works for,
    ``line`` the user's that asked for it. ``python``: it calls Python code, and has its results
    from there. ``call`` is how a reproducer calls it: (argument, places of its inputs), then
    (``attribute`` NAME, value); nothing where it cannot be called so.
    """

    operation: str
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    shapes: Tuple[str, ...] = ()
    results: Tuple[str, ...] = ()
    foreign: Tuple[int, ...] = ()
    limits: Tuple[Optional[Tuple[int, int]], ...] = ()
    device: str = ""
    attributes: Dict[str, Any] = {}
    stage: str = ""
    layer: str = ""
    line: str = ""
    python: bool = False
    call: Tuple[Tuple[str, Any], ...] = ()


class Difference(NamedTuple):
    """The first operation that had equal inputs in all replays and ended on ``distinct`` results.

    ``python``: or the first to which Python code, and no operation, gave so many distinct inputs,
    or attributes. ``by_replay`` is what differs, replay by replay: two processes in which it is the
    same, in the same order, did not part there; something was not set back before each replay, a
    counter of Python code for one.
    """

    event: Event
    distinct: int
    by_replay: Tuple[Any, ...]
    python: bool

    @property
    def replays(self) -> int:
        return len(self.by_replay)


def first_difference(replays: Sequence[Sequence[Event]]) -> Optional[Difference]:
    """Where replays part first, in the order of execution; None where they do not, or the place is
    not watched.

    What is told of the place is what the first replay knows of it.
    """
    for events in zip(*replays):
        first = events[0]
        if len({(one.operation, len(one.inputs)) for one in events}) > 1:
            return None
        # Another call, which Python code made
        if any(one.attributes != first.attributes for one in events):
            return _difference(first, [str(one.attributes) for one in events], True)
        inputs = list(zip(*(one.inputs for one in events)))  # by place
        differing = [place for place, given in enumerate(inputs) if len(set(given)) > 1]
        if differing:
            python = set(differing) <= set(first.foreign)
            return (
                _difference(first, list(zip(*(inputs[place] for place in differing))), True)
                if python
                else None
            )
        outputs = [one.outputs for one in events]
        if len(set(outputs)) > 1:
            return None if NOT_KNOWN in first.inputs else _difference(first, outputs, first.python)
    return None


def _difference(event: Event, by_replay: Sequence[Any], python: bool) -> Difference:
    return Difference(event, len(set(by_replay)), tuple(by_replay), python)


def described(difference: Difference) -> Dict[str, Any]:
    """The parting as plain values, for a trace's notes."""
    return dict(
        difference.event._asdict(),
        distinct=difference.distinct,
        replays=difference.replays,
        by_replay=difference.by_replay,
        python=difference.python,
    )


def marks(event: Event) -> List[Any]:
    """What of an event is compared with that of another replay: operation, inputs, outputs."""
    return [event.operation, event.inputs, event.outputs]
