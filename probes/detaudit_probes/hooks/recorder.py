"""Records a user's own training with reads on the host only; nothing is added to its graph.

Once: the generators' states and every variable's initial value. Each step: the batch, the updated
weights, the optimizer's state, the loss and the metrics. At exit: the final weights, which are all
that an unrecorded trial (``record`` false) reads.
"""

import contextlib
import functools
import gc
import hashlib
import math
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Set, Tuple

from detaudit_probes.backends.generators import states_without_backend
from detaudit_probes.hooks import streams
from detaudit_probes.hooks.names import path_of
from detaudit_probes.hooks.threads import Threads
from detaudit_probes.ops.frameworks.step import Pinpoint
from detaudit_probes.protocol import (
    BESIDE,
    FITTED,
    LEARNED,
    SAVED,
    STOP_FILE,
    Content,
    Leaf,
    Point,
)
from detaudit_probes.recording import facts, fingerprint
from detaudit_probes.recording.on_device import OnCard
from detaudit_probes.recording.trace import Taken, TraceWriter

# Taken at import, before a pin or the script can replace them
_clock, _exists = time.perf_counter, os.path.exists
AT_THE_END = "at the end"
#: Batches that the script has loaded itself and that a later step may still use; fewer if bytes are
#: kept.
MOST_LOADED, MOST_LOADED_KEPT = 4096, 64
#: Bytes of variables that are kept alive until exit, so that the model of a function that has
#: returned can still be read. Variables beyond that are read only if the script itself keeps them.
MOST_ALIVE = 1 << 30
#: Bytes of variables that are read at a time.
MOST_READ = 256 << 20
#: An optimizer's state of more bytes than this is read in every ``SPARED``-th step only: if it
#: differs, the weights differ in the next step.
LARGE_STATE, SPARED = 4 << 20, 16
LOOK_SECONDS = 0.1  # between two looks whether the engine ends this run


class Loaded:
    """A batch that the script has loaded itself, and whether a step has used it."""

    def __init__(self, tensors: List[Tuple[str, Taken]], sizes: List[int]) -> None:
        self.tensors, self.used = tensors, False
        large = [taken.fingerprint for (_, taken), size in zip(tensors, sizes) if size > 1]
        # A single number may match by chance.
        self.known_by = large or [taken.fingerprint for _, taken in tensors]


class Recorder:
    """Writes the observations of one process to its trace.

    ``inside_fit`` is the depth of nested calls of ``fit``, whose callback records the steps itself.
    ``left`` is true in a forked child, of which nothing is recorded.
    """

    def __init__(self, session: Any, trace: TraceWriter) -> None:
        self.session, self.trace = session, trace
        self.recorded = session.orders.record
        self.every = session.orders.every
        self.left = False
        self.following: List[Any] = []  # the observers of Keras, once it has been imported
        self.followed: Set[str] = set()  # the imported packages that are Keras
        # Whether variables are read through a session, which a script may close
        self.of_graphs = False
        self.inside_fit = 0
        before = trace.earlier_measures  # of the program that started this one
        self.steps, self.threads = before.steps, Threads()
        self._first_step, self._last_step = before.first_step, before.last_step
        self._fitting: Any = None  # the thread that is inside ``fit``
        self.began = self._imported = _clock()
        self.ending: Any = None
        self._ended = False  # whether that has begun
        self.before_the_end: List[Callable[[], None]] = []
        # (name, a function that returns it or None, its reader, the thread that made it)
        self._variables: List[Tuple[str, Any, Any, int]] = []
        self._side_by_side = before.side_by_side  # whether several threads train at once
        self._alive_bytes = 0
        self._batches: List[List[Tuple[str, Taken]]] = []
        self._loaded: Deque[Loaded] = deque()
        # By fingerprint: the last batch that contained it
        self._of_tensor: Dict[int, Loaded] = {}
        self._inputs: Set[int] = set()  # fingerprints of the next step's inputs
        self._beside: Dict[str, Any] = {}
        self._states: Dict[str, str] = {}  # the first states of the process's generators
        self.fits, self._learned = before.fits, list(before.learned)
        # What was fitted without training steps; when a booster is deleted may vary
        self._fits: Dict[Tuple[str, int, str], bytes] = {}
        self._of_threads: List[str] = []  # digests of the fits in other threads
        self._stopping = False
        self._results: Dict[Tuple[str, str], float] = {
            (group, name): value for group, name, value in before.results
        }
        self._predicted, self._predicted_for = before.predicted, before.predicted_for
        self._lock = threading.Lock()
        # By path, and by whether it was fingerprinted on a card
        self._first: Dict[Tuple[str, bool], int] = {}
        self._backend = ""  # of the first variable
        self.moved = bool(before.moved)  # whether a weight has changed
        self._stop_file = os.path.join(session.folder, STOP_FILE)
        self._next_look = self.began
        self._unread: List[Tuple[str, str, Any, Any]] = []  # variables without a value so far
        digests = trace.earlier.get("digests", {})
        self._saved: Dict[str, str] = {name: digests[SAVED + name] for name in before.saved}
        self.paused = False  # while a step is replayed
        # Weak references to every variable, generators' states among them
        self._alive: List[Any] = []
        step = session.orders.pinpoint
        self.pinpoint = (
            None
            if step is None
            else Pinpoint(self, int(step), session.request.fingerprint, session.sites.is_users)
        )
        self.passed: List[Point] = []  # the points at which a nest may fork
        self.generators("at the start")

    def leave(self) -> None:
        """Stop recording in a forked child: the trace is its parent's."""
        self.left = True

    @property
    def recording(self) -> bool:
        return self.recorded and not self.left and not self.paused and not self._side_by_side

    @property
    def follows_here(self) -> bool:
        """Whether to follow what this thread trains or fits: in another thread, its place among
        the others would vary.
        """
        in_main = threading.current_thread() is threading.main_thread()
        return in_main and not self.left and not self.paused

    @property
    def follows_thread(self) -> bool:
        """Whether to follow what this thread, another one than the main thread, fits: not if the
        program may end before it does.
        """
        return not threading.current_thread().daemon and not self.left and not self.paused

    @property
    def counting(self) -> bool:
        """Whether steps are observed: an unrecorded trial counts them if it is to end at one."""
        stops = (
            self.session.orders.stop_steps is not None
            or self.session.orders.stop_seconds is not None
        )
        return (self.recorded or stops) and not self.left and not self.paused

    # What happens once ----------------------------------------------------------------------------

    def generators(self, when: str) -> None:
        """Record the states of the existing generators that a seed can pin."""
        if not self.recording:
            return
        states = states_without_backend(sys.modules.get("numpy"))
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "default_generator"):
            states.append(("torch", repr(torch.default_generator.get_state().tolist())))
        for name, state in states:
            self.once("rng", "%s %s" % (name, when), state)
            if self._states.setdefault(name, state) != state and when == AT_THE_END:
                self.beside("generator", name, state)

    def imported(self) -> None:
        """Note that Keras has been imported: time spent from here on is the script's own."""
        self._imported = _clock()
        self.generators("at the import of Keras")

    def once(self, stage: str, name: str, value: Any) -> None:
        if self.recording:
            self.trace.once(stage, name, value)

    def beside(self, kind: str, name: str, value: Any) -> None:
        """Record a value beside the training: the report says whether it is the same in all runs,
        without judging.
        """
        if self.recording:
            self._note_beside(kind, name, self.trace.take(value))

    def _note_beside(self, kind: str, name: str, taken: Taken) -> None:
        name = "%s%s %s" % (BESIDE, kind, name)
        before = self.trace.earlier.get("digests", {}).get(name, "")
        state = self._beside.setdefault(
            name, hashlib.blake2b(before.encode("ascii"), digest_size=16)
        )
        state.update(taken.fingerprint.to_bytes(8, "little"))

    def result(self, group: str, name: str, value: Any) -> None:
        """Record a loss or a metric, as the script's author reads it. The last one of its ``group``
        and name counts.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            return
        if self.recording and math.isfinite(number):
            self._results[group, str(name)] = number

    def made(self, stage: str, name: str, variable: Any, reading: Any, readable: bool) -> None:
        """Record a new variable of Keras, with its initial value if that is ``readable``
        (:meth:`filled` records the others). ``reading`` reads it again at exit.
        """
        if self.left:
            return
        if self.pinpoint is not None:
            self._alive.append(weakref.ref(variable))
        if stage != "rng":
            if not self._variables:
                self.generators("at the first variable")
            self._alive_bytes += _size(variable)
            reference = (
                weakref.ref(variable) if self._alive_bytes > MOST_ALIVE else lambda: variable
            )
            self._variables.append((name, reference, reading, threading.get_ident()))
        if not self._backend:
            self._backend = reading.adapter
            self.trace.measure(backend=self._backend)
        if not self.recording:
            return
        if readable:
            self._first_value(stage, name, variable, reading.first(variable))
        else:
            self._unread.append((stage, name, variable, reading))

    def alive(self) -> List[Any]:
        """Return every existing variable of Keras with a value, if a step is to be replayed."""
        there = [one() for one in self._alive]
        return [
            one for one in there if one is not None and getattr(one, "_value", None) is not None
        ]

    def filled(self) -> None:
        """Record variables that were created without a value and may have one now."""
        unread, self._unread = self._unread, []
        for stage, name, variable, reading in unread:
            try:
                value = reading.first(variable)
            except Exception:  # TensorFlow's, for a variable that another function will fill
                self._unread.append((stage, name, variable, reading))
            else:
                self._first_value(stage, name, variable, value)

    def _first_value(self, stage: str, name: str, variable: Any, value: Any) -> None:
        if self.pinpoint is not None:
            self.pinpoint.made(variable)
        taken = self.trace.take(value)
        self.once(stage, name, taken)
        self._first.setdefault((name, isinstance(value, OnCard)), taken.fingerprint)

    def has_saved(self, name: str) -> bool:
        return name in self._saved

    def saved(self, name: str, values: List[Any]) -> None:
        """Record values that the script has saved under a name, perhaps not for the first time."""
        if self.left or not values:
            return
        views = [fingerprint.canonical_view(value) for value in values]
        if (
            any(header.startswith(b"object|") for header, _ in views)
            or sum(len(data) for _, data in views) > MOST_ALIVE
        ):
            return  # objects have no comparable bits
        earlier = [fingerprint.canonical(self._saved[name])] if name in self._saved else []
        self._saved[name] = fingerprint.sha256(earlier + views)

    def settle(self) -> None:
        """Take the variables' present values as their last, because their owner is about to go."""
        self._variables = [
            (name, functools.partial(lambda value: value, value), reading, thread)
            for name, value, reading, thread in self._last_values()
        ]

    def _last_values(self) -> List[Tuple[str, Any, Any, int]]:
        """Return every remaining variable, in the order of creation, with its reader, and the
        thread that created it.
        """
        there = [(name, make(), *rest) for name, make, *rest in self._variables]
        return [
            (name, value, reading, thread)
            for name, variable, reading, thread in there
            if variable is not None
            for value in self._last_value(variable, reading)
        ]

    def _last_value(self, variable: Any, reading: Any) -> List[Any]:
        """Return its value, or nothing if its session is closed."""
        try:
            return [reading.read(variable)]
        except Exception:
            if not self.of_graphs:
                raise
            return []

    # Steps ----------------------------------------------------------------------------------------

    def batch(self, named: List[Tuple[str, Any]]) -> None:
        """Take a batch for the next step without one; another thread may load it, and ahead of
        time.
        """
        if self.recording:
            taken = [(name, self.trace.take(value)) for name, value in named]
            with self._lock:
                self._batches.append(taken)

    def loaded(self, named: List[Tuple[str, Any]]) -> None:
        """Take a batch that the script has loaded itself, perhaps only to look at it. It belongs to
        the steps that use it as input: its tensors are recognized by their content.
        """
        if not self.recording or not named:
            return
        batch = Loaded(
            [(name, self.trace.take(value)) for name, value in named],
            [getattr(value, "size", 1) for _, value in named],
        )
        with self._lock:
            self._loaded.append(batch)
            self._of_tensor.update({mark: batch for mark in batch.known_by})
            if len(self._loaded) > (MOST_LOADED_KEPT if self.trace.keeps else MOST_LOADED):
                self._forget(self._loaded.popleft())

    def _forget(self, batch: Loaded) -> None:
        for mark in batch.known_by:
            if self._of_tensor.get(mark) is batch:
                del self._of_tensor[mark]
        for _, taken in batch.tensors if not batch.used else ():
            self._note_beside("data", "batches that no step used", taken)

    def went_in(self, values: List[Any]) -> None:
        """Take the inputs of the next step."""
        if self.recording:
            marks = {self.trace.take(value).fingerprint for value in values}
            with self._lock:
                self._inputs |= marks

    def use_last_loaded(self) -> None:
        """Take the batch that the script has loaded last for the next step's, whose inputs are not
        observed.
        """
        with self._lock:
            if self._loaded and not self._loaded[-1].used:
                self._inputs.update(self._loaded[-1].known_by)

    def arguments(self, named: List[Tuple[str, Any]]) -> None:
        """Take the arguments of a function that makes a step: they are its batch, unless that was
        loaded.
        """
        taken = [(name, self.trace.take(value)) for name, value in named]
        marks = {one.fingerprint for _, one in taken}
        with self._lock:
            self._inputs |= marks
            if taken and not self._batches and not marks & set(self._of_tensor):
                self._batches.append(taken)

    def drop_batches(self) -> None:
        """Drop batches that were loaded only to build a model."""
        with self._lock:
            del self._batches[:]

    def step(
        self,
        phase: str,
        step: int,
        batches: Optional[int],
        returned: List[Tuple[str, str, Any]],
        weights: List[Any],
        optimizers: List[Any],
        reading: Any,
    ) -> None:
        """Record a step that has ended; ``batches`` is the number that it used (None: all since the
        last step).
        """
        if self.left:
            return
        if self.threads.step():
            self.side_by_side()
        self.steps += 1
        self._last_step = self._since_import(_clock())
        if self._first_step is None:
            self._first_step = self._last_step
        if self.recording and (self.steps - 1) % self.every == 0:
            rows: List[Tuple[str, str, Any]] = [
                ("data", name, taken) for name, taken in self._data(batches)
            ]
            rows += [one for one in returned if one[0] in ("forward", "loss", "gradient")]
            rows += self._updated(weights, optimizers, reading)
            rows += [one for one in returned if one[0] == "metric"]
            self.trace.step(phase, step, rows)
        elif self.recording:
            self._data(batches)
        self._stop_where_asked()

    def begins_fit(self) -> bool:
        """Whether to follow a training that begins now in this thread: not if it is
        inside another.
        """
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
        """Whether this is the thread that is inside ``fit``."""
        return bool(self.inside_fit) and self._fitting == threading.get_ident()

    def side_by_side(self) -> None:
        """Note that several threads train at once: the order of steps varies, so they say nothing,
        and only the end of the run is compared, which must be the program's own.
        """
        self._side_by_side = True
        orders = self.session.orders
        if orders.stop_steps is not None or orders.stop_seconds is not None:
            self.trace.measure(not_recorded="several threads at the same time and is ended early")

    def _data(self, batches: Optional[int]) -> List[Tuple[str, Taken]]:
        """Return the inputs of the step that has ended."""
        with self._lock:
            count = len(self._batches) if batches is None else batches
            fed, self._batches = self._batches[:count], self._batches[count:]
            marks, self._inputs = self._inputs, set()
            marks.update(taken.fingerprint for batch in fed for _, taken in batch)
            mine = [self._of_tensor[mark] for mark in marks if mark in self._of_tensor]
            for one in mine:
                one.used = True
            if not fed and mine:
                fed = [one.tensors for one in self._loaded if any(one is other for other in mine)]
                count = len(fed)
        return [
            ("%s%s" % (name, "" if count == 1 else " of %d" % place), taken)
            for place, batch in enumerate(fed)
            for name, taken in batch
        ]

    def _updated(
        self, weights: List[Any], optimizers: List[Any], reading: Any
    ) -> List[Tuple[str, str, Taken]]:
        """Fingerprint live variables before the step returns, because the next one updates them in
        place.
        """
        named = [(path_of(variable), variable) for variable in weights]
        for optimizer in optimizers:
            if (
                self.steps % SPARED == 1
                or sum(_size(one) for one in optimizer.variables) <= LARGE_STATE
            ):
                named += [
                    ("optimizer/" + path_of(variable), variable) for variable in optimizer.variables
                ]
        taken: List[Taken] = []
        on_card: List[bool] = []
        for some in _shares([variable for _, variable in named]):
            values = reading.read_each(some)
            on_card += [isinstance(one, OnCard) for one in values]
            taken += self.trace.take_each(values)
        for (path, _), there, one in zip(named[: len(weights)], on_card, taken):
            self.moved = (
                self.moved
                or self._first.setdefault((path, there), one.fingerprint) != one.fingerprint
            )
        return [("update", path, one) for (path, _), one in zip(named, taken)]

    def _stop_where_asked(self) -> None:
        steps, seconds = self.session.orders.stop_steps, self.session.orders.stop_seconds
        if self._ended or self._side_by_side:
            return
        if (
            (steps is not None and self.steps >= steps)
            or (seconds is not None and _clock() - self.began >= seconds)
            or self._differs()
        ):
            self.trace.measure(stopped=self.steps)
            self._stopping = True
            self.ending()
            streams.flush()
            os._exit(0)

    def _differs(self) -> bool:
        """Whether the engine has seen that this run differs from the other one of its pair. A run
        that has not changed a weight yet goes on: it would seem to train nothing.
        """
        if not (self.session.orders.stop_differing and self.moved) or _clock() < self._next_look:
            return False
        self._next_look = _clock() + LOOK_SECONDS
        return _exists(self._stop_file)

    def classified(self, examples: List[Any], classes: Tuple[int, ...]) -> None:
        """Keep the classes that a classifier finds likeliest for these examples, if they are known:
        a dataset is not.
        """
        if examples:
            marks = ["%016x" % one.fingerprint for one in self.trace.take_each(examples)]
            self._predicted, self._predicted_for = classes, " ".join(marks)

    # Without training steps -----------------------------------------------------------------------

    def fitted(
        self,
        phase: str,
        number: int,
        data: List[Tuple[str, Taken]],
        learned: List[Tuple[str, Taken]],
        numbers: List[Leaf],
        is_model: bool,
    ) -> None:
        """Record a fit, the call with this ``number`` of its ``phase``: its data, and what it has
        learned, which is all that an unrecorded run keeps: a digest, and the single ``numbers``.
        """
        self.fits += bool(learned or numbers) and is_model
        if numbers:
            name = "%s %d" % (self.trace.named(phase), number)
            self._learned.append(Content(name, LEARNED, tuple(numbers)))
        if self.recording:
            self.trace.fit(phase, number, data, learned)
        for name, taken in learned:
            line = "%s %d %s" % (phase, number, name)
            self._fits[phase, number, name] = line.encode("utf-8", "surrogatepass") + (
                taken.fingerprint.to_bytes(8, "little")
            )

    def fitted_in_thread(self, phase: str, learned: List[Tuple[str, Taken]]) -> None:
        """Record a fit in another thread, in whatever order such fits end. This may be called while
        garbage is collected, so it takes no lock.
        """
        lines = ["%s %s %d" % (phase, name, taken.fingerprint) for name, taken in learned]
        if lines:
            digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass"))
            self._of_threads.append(digest.hexdigest())

    # The end --------------------------------------------------------------------------------------

    def end(self) -> None:
        """Record what an unrecorded trial reads too: every remaining variable, in the order of
        creation.
        """
        ended, self._ended = _clock(), True
        for function in self.before_the_end:
            function()
        of_threads, self._of_threads = self._of_threads, []
        if of_threads and not self._stopping:  # how many there are by then varies
            models = self.trace.take("\n".join(sorted(of_threads)))
            self.fitted("fits in other threads", 1, [], [("models", models)], [], True)
        if any(isinstance(reference, weakref.ref) for _, reference, *_ in self._variables):
            # Unreachable objects are then gone in both runs, whatever was collected automatically.
            gc.collect()
        named = self._named_at_the_end()
        self.generators(AT_THE_END)
        records = self.trace.once_each("update", named)
        earlier = self.trace.earlier.get("digests", {}).get("final")
        ends = ([fingerprint.canonical(earlier)] if earlier else []) + records
        self.trace.note("digests", {"final": fingerprint.sha256(ends)} if records else {})
        self.trace.note("digests", {SAVED + name: digest for name, digest in self._saved.items()})
        if self._fits:
            before = self.trace.earlier.get("digests", {}).get(FITTED, "")
            fitted = [one for _, one in sorted(self._fits.items())]
            digest = hashlib.sha256(b"\n".join([before.encode("ascii"), *fitted])).hexdigest()
            self.trace.note("digests", {FITTED: digest})
        with self._lock:
            while self._loaded:
                self._forget(self._loaded.popleft())
        if self._side_by_side:  # in whatever order the threads came to them
            self._beside, self._results, self.moved = {}, {}, None
        self.trace.note(
            "digests", {name: state.hexdigest() for name, state in self._beside.items()}
        )
        before = self.trace.earlier_measures  # of the program that started this one
        self.trace.measure(
            saved=tuple(self._saved),
            results=tuple((group, name, value) for (group, name), value in self._results.items()),
            predicted=self._predicted,
            predicted_for=self._predicted_for,
            steps=self.steps,
            moved=self.moved,
            side_by_side=self._side_by_side,
            fits=self.fits,
            learned=tuple(self._learned),
            max_rss=facts.max_rss(),
            after_import=self._since_import(ended),
            first_step=self._first_step,
            last_step=self._last_step,
            points=before.points + tuple(self.passed),
        )
        if self.pinpoint is not None and (self.pinpoint.replays or before.pinpoint is None):
            self.pinpoint.leave(self.session.traces)

    def _since_import(self, moment: float) -> float:
        """Return the seconds since Keras was imported, those of the program that started this one
        included.
        """
        return (self.trace.earlier_measures.after_import or 0.0) + moment - self._imported

    def _named_at_the_end(self) -> List[Tuple[str, Any]]:
        """Return the values of the remaining variables; those that several threads, other than the
        main one, have created as one value, because their order varies.
        """
        last = self._last_values()
        main = threading.main_thread().ident
        several = len({thread for *_, thread in last} - {main}) > 1
        named: List[Tuple[str, Any]] = []
        marks: List[int] = []
        for name, value, _, thread in last:
            if several and thread != main:
                marks.append(self.trace.take(value).fingerprint)
            else:
                named.append((name + " at the end", value))
        if marks:
            listed = " ".join(map(str, sorted(marks)))
            named.append(("variables of other threads at the end", listed))
        return named


def _shares(variables: List[Any]) -> List[List[Any]]:
    """Group the variables so that each group fits into memory: variables on a card are copied to be
    read.
    """
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
    """Return its size at four bytes per element. (A shape of Theano's must be computed; Keras keeps
    it as numbers.)
    """
    size = 4
    shape = getattr(variable, "_keras_shape", None)
    for length in tuple(shape if shape is not None else getattr(variable, "shape", ()) or ()):
        size *= int(length or 1)
    return size
