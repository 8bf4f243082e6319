"""What is recorded of a user's own training: host-side reads only, nothing is added to its graph.

Once: the generators' states, every variable's initial value. Each step: the batch, the updated weights, the optimizer's
state, the loss and the metrics. At exit: what the weights are then, which is all that a *bare* trial
(``watch`` false) reads.
"""
import contextlib
import functools
import gc
import os
import random
import re
import sys
import threading
import time
import weakref
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from detaudit_probes import facts, fingerprint
from detaudit_probes.lanes import OnCard
from detaudit_probes.ops.step import Pinpoint
from detaudit_probes.script.threads import Threads
from detaudit_probes.trace import Taken, TraceWriter

_clock = time.perf_counter  # taken at import, before a pin can replace it
STOPPED = "stopped"
SAVED = "saved "  # how the digests begin of what was saved
#: Bytes of variables that are kept alive until exit, so that a model of a function that has returned can be read then.
#: What is made beyond that is read only where the script itself still holds it.
MOST_HELD = 1 << 30
#: Bytes of variables that are read at once.
MOST_READ = 256 << 20
#: An optimizer's state of more bytes than this is looked at in every ``SPARED``-th step only: what parts there parts
#: the weights in the next step.
LARGE_STATE, SPARED = 4 << 20, 16


class Recorder:
    """Writes the observations of one process to its trace.

    ``inside_fit`` is how deep the process is inside of ``fit``, whose callback records the steps by itself.
    ``left`` is true in a forked child: nothing of it is recorded.
    """

    def __init__(self, session: Any, trace: TraceWriter) -> None:
        self.session, self.trace = session, trace
        self.watched = bool(session.option("watch", True))
        self.every = int(session.option("every", 1))
        self.left = False
        self.following: List[Any] = []  # who watches Keras, once it has been imported
        self.followed: Set[str] = set()  # the packages that are Keras, of those that were imported
        self.of_graphs = False  # whether variables are read through a session, which a script may close
        self.inside_fit = 0
        before = trace.earlier.get("measures", {})  # of the program that this one was started by
        self.steps, self.threads = int(before.get("steps", 0)), Threads()
        self._fitting: Any = None  # which thread is inside of ``fit``
        self.began = self._imported = _clock()
        self.ending: Any = None
        self._variables: List[Tuple[str, Any, Any]] = []  # (name, a function that gives it or None, who reads it)
        self._held = 0
        self._batches: List[List[Tuple[str, Taken]]] = []
        self._lock = threading.Lock()
        self._first: Dict[Tuple[str, bool], int] = {}  # by path, and by whether it was taken on a card
        self._backend = ""  # of the first variable
        self.moved = bool(before.get("moved"))  # whether a weight was seen to change
        self._unread: List[Tuple[str, str, Any, Any]] = []  # variables without a value as yet
        self._saved: Dict[str, str] = {
            name[len(SAVED):]: digest for name, digest in trace.earlier.get("digests", {}).items()
            if name.startswith(SAVED)}
        self.paused = False  # while a step is replayed
        self._alive: List[Any] = []  # weak references to every variable, generators' states among them
        step = session.option("pinpoint")
        self.pinpoint = None if step is None else Pinpoint(self, int(step), session.request.fingerprint,
                                                           session.sites.is_users)
        self.generators("at the start")

    def leave(self) -> None:
        """In a forked child: the trace is its parent's."""
        self.left = True

    @property
    def recording(self) -> bool:
        return self.watched and not self.left and not self.paused

    @property
    def counting(self) -> bool:
        """Whether steps are met: a bare trial counts them where it is to be ended at one."""
        stops = self.session.option("stop_steps") is not None or self.session.option("stop_seconds") is not None
        return (self.watched or stops) and not self.left and not self.paused

    # What happens once -----------------------------------------------------------------------------------------

    def generators(self, when: str) -> None:
        """The states of the generators that a seed can pin, of those that are there by now."""
        if not self.recording:
            return
        states = [("random", repr(random.getstate()))]
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "random"):
            legacy = numpy.random.get_state()
            states.append(("numpy", repr((legacy[1].tolist(), legacy[2:]))))
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "default_generator"):
            states.append(("torch", repr(torch.default_generator.get_state().tolist())))
        for name, state in states:
            self.once("rng", "%s %s" % (name, when), state)

    def imported(self) -> None:
        """Keras has been imported: what takes time from here on is the script's own."""
        self._imported = _clock()
        self.generators("at the import of Keras")

    def once(self, stage: str, name: str, value: Any) -> None:
        if self.recording:
            self.trace.once(stage, name, value)

    def made(self, stage: str, name: str, variable: Any, reading: Any, readable: bool) -> None:
        """A variable of Keras is made, with its first value where that is ``readable`` (:meth:`filled` tells of the
        others). It is looked at again at exit, by whoever is ``reading``."""
        if self.left:
            return
        if self.pinpoint is not None:
            self._alive.append(weakref.ref(variable))
        if stage != "rng":
            if not self._variables:
                self.generators("at the first variable")
            self._held += _size(variable)
            held = weakref.ref(variable) if self._held > MOST_HELD else lambda: variable
            self._variables.append((name, held, reading))
        if not self._backend:
            self._backend = reading.adapter
            self.trace.note("measures", {"backend": self._backend})
        if not self.recording:
            return
        if readable:
            self._first_value(stage, name, reading.first(variable))
        else:
            self._unread.append((stage, name, variable, reading))

    def alive(self) -> List[Any]:
        """Every variable of Keras that is there and has a value, where a step is to be replayed."""
        there = [one() for one in self._alive]
        return [one for one in there if one is not None and getattr(one, "_value", None) is not None]

    def filled(self) -> None:
        """Variables that were made without a value may have theirs now."""
        unread, self._unread = self._unread, []
        for stage, name, variable, reading in unread:
            try:
                value = reading.first(variable)
            except Exception:  # TensorFlow's own, for one that another function is still to fill
                self._unread.append((stage, name, variable, reading))
            else:
                self._first_value(stage, name, value)

    def _first_value(self, stage: str, name: str, value: Any) -> None:
        taken = self.trace.take(value)
        self.once(stage, name, taken)
        self._first.setdefault((name, isinstance(value, OnCard)), taken.fingerprint)

    def saved(self, name: str, values: List[Any]) -> None:
        """The script has saved these under a name, perhaps not for the first time."""
        if self.left:
            return
        views = [fingerprint.canonical_view(value) for value in values]
        if any(header.startswith(b"object|") for header, _ in views) or sum(len(data) for _, data in views) > MOST_HELD:
            return  # objects have no bits of their own
        earlier = [fingerprint.canonical(self._saved[name])] if name in self._saved else []
        self._saved[name] = fingerprint.sha256(earlier + views)

    def settle(self) -> None:
        """Take the variables' values as their last: what holds them is about to go."""
        self._variables = [(name, functools.partial(lambda value: value, value), reading)
                           for name, value, reading in self._last_values()]

    def _last_values(self) -> List[Tuple[str, Any, Any]]:
        """Of every variable that is still there, in the order in which they were made, with who has read it."""
        there = [(name, held(), reading) for name, held, reading in self._variables]
        return [(name, value, reading) for name, variable, reading in there if variable is not None
                for value in self._last_value(variable, reading)]

    def _last_value(self, variable: Any, reading: Any) -> List[Any]:
        """Its value; nothing where the session is closed that it was in."""
        try:
            return [reading.read(variable)]
        except Exception:
            if not self.of_graphs:
                raise
            return []

    # Steps -----------------------------------------------------------------------------------------------------

    def batch(self, named: List[Tuple[str, Any]]) -> None:
        """A batch was loaded, perhaps in another thread, perhaps ahead: it belongs to the next step without one."""
        if self.recording:
            taken = [(name, self.trace.take(value)) for name, value in named]
            with self._lock:
                self._batches.append(taken)

    @property
    def fed(self) -> bool:
        """Whether a batch was seen since the last step."""
        with self._lock:
            return bool(self._batches)

    def drop_batches(self) -> None:
        """What was loaded to build a model only."""
        with self._lock:
            del self._batches[:]

    def step(self, phase: str, step: int, batches: Optional[int], returned: List[Tuple[str, str, Any]],
             weights: List[Any], optimizers: List[Any], reading: Any) -> None:
        """One step has ended; ``batches`` are how many were used for it (None: all that were loaded since the last)."""
        if self.left:
            return
        if self.threads.step():
            self.side_by_side()
        self.steps += 1
        if self.recording and (self.steps - 1) % self.every == 0:
            rows: List[Tuple[str, str, Any]] = [("data", name, taken) for name, taken in self._used(batches)]
            rows += [one for one in returned if one[0] in ("forward", "loss", "gradient")]
            rows += self._updated(weights, optimizers, reading)
            rows += [one for one in returned if one[0] == "metric"]
            self.trace.step(phase, step, rows)
        elif self.recording:
            self._used(batches)
        self._stop_where_asked()

    def begins_fit(self) -> bool:
        """Whether a training that begins now in this thread is to be followed: it is not, inside of another."""
        if self.counting and self.inside_fit and not self.in_fit():
            self.side_by_side()
        return self.counting and not self.inside_fit

    @contextlib.contextmanager
    def fitting(self) -> Iterator[None]:
        self._fitting = threading.get_ident()
        self.inside_fit += 1
        try:
            yield
        except BaseException:
            if self.pinpoint is not None:
                self.pinpoint.drop()
            raise
        finally:
            self.inside_fit -= 1

    def in_fit(self) -> bool:
        """Whether this is the thread that is inside of ``fit``."""
        return bool(self.inside_fit) and self._fitting == threading.get_ident()

    def side_by_side(self) -> None:
        """Threads train while others do: the order of steps is the machine's, and the script can't be audited."""
        self.trace.note("measures", {"unwatched": "threads side by side"})

    def _used(self, batches: Optional[int]) -> List[Tuple[str, Taken]]:
        with self._lock:
            count = len(self._batches) if batches is None else batches
            used, self._batches = self._batches[:count], self._batches[count:]
        return [("%s%s" % (name, "" if count == 1 else " of %d" % place), taken)
                for place, batch in enumerate(used) for name, taken in batch]

    def _updated(self, weights: List[Any], optimizers: List[Any], reading: Any) -> List[Tuple[str, str, Taken]]:
        """The fingerprints of live variables, taken before the step returns: the next one updates them in place."""
        named = [(path_of(variable), variable) for variable in weights]
        for optimizer in optimizers:
            if self.steps % SPARED == 1 or sum(_size(one) for one in optimizer.variables) <= LARGE_STATE:
                named += [("optimizer/" + path_of(variable), variable) for variable in optimizer.variables]
        taken: List[Taken] = []
        on_card: List[bool] = []
        for some in _shares([variable for _, variable in named]):
            values = reading.read_each(some)
            on_card += [isinstance(one, OnCard) for one in values]
            taken += self.trace.take_each(values)
        for (path, _), there, one in zip(named[:len(weights)], on_card, taken):
            self.moved = self.moved or self._first.setdefault((path, there), one.fingerprint) != one.fingerprint
        return [("update", path, one) for (path, _), one in zip(named, taken)]

    def _stop_where_asked(self) -> None:
        steps, seconds = self.session.option("stop_steps"), self.session.option("stop_seconds")
        if (steps is not None and self.steps >= steps) or (seconds is not None and _clock() - self.began >= seconds):
            from detaudit_probes.script import start

            self.trace.note("measures", {STOPPED: self.steps})
            self.ending()
            start.flush()
            os._exit(0)

    # The end ---------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """What a bare trial reads too: every variable that is still there, in the order in which they were made."""
        ended = _clock()
        gc.collect()  # what is unreachable is gone in both runs, whenever a collection came by itself
        named = [(name + " at the end", value) for name, value, _ in self._last_values()]
        self.generators("at the end")
        records = self.trace.once_each("update", named)
        before = self.trace.earlier.get("digests", {}).get("final")
        ends = ([fingerprint.canonical(before)] if before else []) + records
        self.trace.note("digests", {"final": fingerprint.sha256(ends)} if records else {})
        self.trace.note("digests", {SAVED + name: digest for name, digest in self._saved.items()})
        earlier = self.trace.earlier.get("measures", {}).get("after_import", 0.0)
        self.trace.note("measures", {"steps": self.steps, "moved": self.moved, "max_rss": facts.max_rss(),
                                     "after_import": earlier + ended - self._imported})
        told = "pinpoint" in self.trace.earlier.get("measures", {})  # by the program that this one was started by
        if self.pinpoint is not None and (self.pinpoint.replays or not told):
            self.pinpoint.leave(self.session.folder)


#: A time or a random number in a model's name: two runs name one variable in two ways, and nothing differs.
STAMP = re.compile(r"\d[\d_.:T-]{4,}\d|[0-9a-f]{8}(?:-?[0-9a-f]{4,})+|(?=[a-f]*\d)[0-9a-f]{8,}")


def path_of(variable: Any) -> str:
    """What the variable is called in the trace: its path, stamps left out."""
    return STAMP.sub("#", str(getattr(variable, "path", None) or getattr(variable, "name", "variable")))


def _shares(variables: List[Any]) -> List[List[Any]]:
    """The variables in groups of which each may be in memory at once: what lies on a card is copied to be read."""
    found: List[List[Any]] = []
    room = 0
    for variable in variables:
        if not found or _size(variable) > room:
            found.append([])
            room = MOST_READ
        found[-1].append(variable)
        room -= _size(variable)
    return found


def _size(variable: Any) -> int:
    """Bytes, at four an element. (A shape of Theano's is itself to be computed; Keras keeps it as numbers.)"""
    size = 4
    shape = getattr(variable, "_keras_shape", None)
    for length in tuple(shape if shape is not None else getattr(variable, "shape", ()) or ()):
        size *= int(length or 1)
    return size
