"""One executed operation as a value, and the first difference between several replays of a step."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from detaudit_probes.protocol import NOT_KNOWN


class Event(NamedTuple):
    """One operation as it was executed. ``inputs`` and ``outputs`` are fingerprints, also of a
    variable's state.

    ``shapes`` and ``results`` describe the inputs and outputs; ``foreign`` are the places of those
    inputs that no operation produced: data, constants, and values computed by Python code.
    ``limits`` are the smallest and the largest element of integer inputs. ``stage`` is one of
    ``forward``, ``gradient`` and ``update``, ``layer`` the layer or the variable that it works for,
    ``line`` the user's line that called it. ``python``: it calls Python code and gets its results
    from there. ``call`` is how a reproducer calls it: (argument, places of its inputs), then
    (``attribute`` NAME, value); empty if it cannot be called like this.
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
    """The first operation that had equal inputs in all replays and gave ``distinct`` results.

    ``python``: or the first that got this number of distinct inputs, or attributes, from Python
    code and not from an operation. ``by_replay`` is what differs, replay by replay. If it is the
    same in two processes, in the same order, they did not differ there; some state was not restored
    before each replay, for example a counter of Python code.
    """

    event: Event
    distinct: int
    by_replay: Tuple[Any, ...]
    python: bool

    @property
    def replays(self) -> int:
        return len(self.by_replay)


def first_difference(replays: Sequence[Sequence[Event]]) -> Optional[Difference]:
    """Return where replays first differ, in the order of execution; None if they do not, or the
    place was not observed.

    The place is described with the data of the first replay.
    """
    for events in zip(*replays):
        first = events[0]
        if len({(one.operation, len(one.inputs)) for one in events}) > 1:
            return None
        # A different call, made by Python code
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
    """Return the first difference as plain values, for a trace's notes."""
    return dict(
        difference.event._asdict(),
        distinct=difference.distinct,
        replays=difference.replays,
        by_replay=difference.by_replay,
        python=difference.python,
    )


def marks(event: Event) -> List[Any]:
    """Return what is compared between replays of an event: operation, inputs, outputs."""
    return [event.operation, event.inputs, event.outputs]
