"""From "step 17 differs" to the operation: the state before that step is taken, and the step
replayed, watched.

A step of ``fit``, of ``train_on_batch`` or of a ``tf.function`` is replayed after it has run:
operation by operation, each fingerprinted, and as it was compiled, as a whole. A step of eager code
is watched while it runs, once in each process. Afterwards everything is as it was, and the training
goes on. What is the framework's own is in
:mod:`detaudit_probes.ops.frameworks`.
"""

import contextlib
import os
import time
from typing import Any, Callable, List, Optional, Tuple

from detaudit_probes import protocol
from detaudit_probes.ops import frameworks
from detaudit_probes.ops.event import Event, described, first_difference, marks
from detaudit_probes.ops.state import State
from detaudit_probes.protocol import Ends, StepReplayed
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording.thread_team import Team
from detaudit_probes.recording.trace import write_json

REPLAYS = 10
LIVE = "eager loop"  # what is watched while it runs
FOLLOWED = "_detaudit_follows"
#: Seconds after which no further replay is begun, of those that are not the first two.
LONGEST = 60.0
_clock = time.perf_counter


class Pinpoint:
    """What is done at the step numbered ``step`` (from 0, over all models). ``found`` is what came
    of it.

    ``recorder`` counts the ``steps``, knows the variables that are ``alive()``, and leaves alone
    what happens while it is ``paused``. ``op_recorder`` is the framework's. ``algorithm`` is that
    of the fingerprints, ``users`` tells whether a file is the user's.
    """

    def __init__(
        self,
        recorder: Any,
        step: int,
        algorithm: str,
        users: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.recorder, self.step = recorder, step
        self.found: Optional[StepReplayed] = None
        self.replays: List[List[Event]] = []  # what was watched, all details in the first
        self._hasher = fingerprint.Hasher(algorithm, Team.of_this_machine())
        self._users = users
        self._live: Optional[contextlib.ExitStack] = None
        self._before: Optional[State] = None
        self._others: List[Any] = []  # variables that are not Keras', as they were found last

    def on(self, backend: str) -> None:
        """Whose operations are watched; to be said before a step is taken."""
        self.framework = frameworks.get(backend)
        self.op_recorder = self.framework.OperationRecorder(self._hasher, self._users, self._named)

    def take(self) -> bool:
        """Whether the step that begins now is the one; its state is taken then."""
        due = (
            not self.found
            and self._before is None
            and self.recorder.recording
            and self.recorder.steps == self.step
        )
        if due:
            try:
                self._before = self.framework.State(self.recorder.alive())
                self._others = self._before.variables
            except Exception as error:
                self.fail(error)
                return False
        return due

    def fail(self, reason: Any, kind: str = "fit") -> None:
        """The step cannot be replayed; the training goes on."""
        failure = (
            "%s: %s" % (type(reason).__name__, reason)
            if isinstance(reason, Exception)
            else str(reason)
        )
        self.found = StepReplayed(kind, 0, failed=failure[:500])
        self.drop()

    def take_in_fit(self) -> bool:
        """:meth:`take`, by who knows of a step of ``fit`` from its callbacks, where it is not met
        by :meth:`follow`.
        """
        return not hasattr(self.framework, "stepping") and self.take()

    def follow(self, model: Any) -> None:
        """Meet the steps of ``fit`` and ``train_on_batch`` where the model calls them, if the
        framework allows that.
        """
        given = model.train_function
        if (
            hasattr(self.framework, "stepping")
            and given is not None
            and not hasattr(given, FOLLOWED)
        ):
            model.train_function = self.framework.stepping(self, model, given)
            setattr(model.train_function, FOLLOWED, True)

    def drop(self) -> None:
        """What had begun was no step."""
        self._before = None

    def tried(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the step that was taken. Where it raises, it may be tried again, and is
        taken then.
        """
        try:
            return step(*arguments)
        except BaseException:
            self.drop()
            raise

    def replay(
        self,
        kind: str,
        eager: Callable[[], Any],
        compiled: Optional[Callable[[], Any]],
        returned: Any = None,
        unrecorded: Optional[Callable[[], Any]] = None,
    ) -> None:
        """Replay the step that has just run and has ``returned`` so: ``eager`` and ``compiled`` do
        it again, from the state as it is. ``unrecorded`` does so where nobody watches, if that is
        not ``eager``.

        What goes wrong is told (``failed``), and no reason to end the training.
        """
        if self._before is None or self.found:
            return
        self._close()
        self.recorder.paused = True
        try:
            self._replay(kind, self._before, eager, compiled, returned, unrecorded or eager)
        except Exception as error:  # ours, or of a step that cannot be taken twice
            self.fail(error, kind)
        finally:
            self.recorder.paused = False
            self._before = None

    def _replay(
        self,
        kind: str,
        before: State,
        eager: Callable[[], Any],
        compiled: Optional[Callable[[], Any]],
        returned: Any,
        unrecorded: Callable[[], Any],
    ) -> None:
        after = self.framework.State(self.recorder.alive())
        before.add(after)  # what the step itself has made: an optimizer's state begins with zeros
        try:
            self._compare(kind, before, after, eager, compiled, returned, unrecorded)
        finally:
            after.restore()

    def _compare(
        self,
        kind: str,
        before: State,
        after: State,
        eager: Callable[[], Any],
        compiled: Optional[Callable[[], Any]],
        returned: Any,
        unrecorded: Callable[[], Any],
    ) -> None:
        framework = self.framework
        variables = self._others = after.variables
        ended, began = self._ends(variables, returned), _clock()
        replays = self.replays
        wholes: List[Tuple[int, ...]] = []

        def recorded() -> Any:
            self.op_recorder.detailed = not replays
            with contextlib.ExitStack() as stack:
                if self.op_recorder.detailed:
                    stack.enter_context(framework.naming_layers(self.op_recorder))
                stack.enter_context(framework.recording(self.op_recorder))
                result = eager()
            if self.op_recorder.failed:
                raise RuntimeError(self.op_recorder.failed)
            replays.append(self.op_recorder.events)
            wholes.append(self._ends(variables, result, True))
            return result

        def again(run: Callable[[], Any], most: int) -> List[Tuple[int, ...]]:
            ends: List[Tuple[int, ...]] = []
            until = _clock() + LONGEST
            while len(ends) < most and (len(ends) < 2 or _clock() < until):
                before.restore()
                ends.append(self._ends(variables, run()))
            return ends

        with framework.eagerly():
            recorded_ends = again(recorded, REPLAYS)
            unrecorded_ends = again(unrecorded, len(recorded_ends))
        compiled_ends = again(compiled, len(recorded_ends)) if compiled is not None else []
        # Where the step ends on the same bits each time, what parted in it was of no consequence:
        # memory that an operation has left as it found it, for one.
        difference = first_difference(replays) if len(set(wholes)) > 1 else None
        self.found = StepReplayed(
            kind,
            len(replays[0]),
            operation=None if difference is None else described(difference),
            recorded=_counted(recorded_ends),
            eager=_counted(unrecorded_ends),
            compiled=_counted(compiled_ends),
            recorded_matches_eager=same_ends(recorded_ends, unrecorded_ends),
            eager_matches_compiled=same_ends(unrecorded_ends, compiled_ends)
            if compiled_ends
            else None,
            replay_matches_step=ended in (compiled_ends or unrecorded_ends),
            seconds=_clock() - began,
        )

    def begin_live(self) -> bool:
        """A step of eager code begins: watch it to its end, where it is the one. Whether that has
        begun now.
        """
        if self.found or self._live is not None or self.recorder.steps != self.step:
            return False
        self._others = self.framework.State.everything(self.recorder.alive())
        self._live = contextlib.ExitStack()
        self._live.enter_context(self.framework.naming_layers(self.op_recorder))
        self._live.enter_context(self.framework.recording(self.op_recorder))
        return True

    def end_live(self) -> None:
        """The step has ended: what was watched of it is what there is, where it could not be
        replayed.
        """
        if not self._close() or self.found:
            return
        if self.op_recorder.failed:
            self.fail(self.op_recorder.failed, LIVE)
        else:
            self.replays.append(self.op_recorder.events)
            self.found = StepReplayed(LIVE, len(self.op_recorder.events))

    def _close(self) -> bool:
        live, self._live = self._live, None
        if live is not None:
            live.close()
        return live is not None

    def leave(self, folder: str) -> None:
        """At the end of the process: the findings go to the trace, the events to a file in its
        folder.
        """
        self._close()
        self.recorder.trace.measure(pinpoint=self.found)
        first = self.replays[0] if self.replays else []
        again = [[marks(one) for one in events] for events in self.replays[1:]]
        write_json(
            os.path.join(folder, protocol.EVENTS_FILE),
            {"events": [one._asdict() for one in first], "again": again},
        )

    def _ends(self, variables: List[Any], returned: Any, whole: bool = False) -> Tuple[int, ...]:
        return tuple(
            self._hasher(*fingerprint.canonical_view(one))
            for one in self.framework.ends(variables, returned, whole)
            if one is not None
        )

    def _named(self) -> List[Tuple[str, Any]]:
        mine = [
            (str(getattr(one, "path", None) or one.name), getattr(one, "_value", one))
            for one in self.recorder.alive()
        ]
        known = {id(one) for _, one in mine}
        return mine + [
            (str(getattr(one, "name", None) or ""), one)
            for one in self._others
            if id(one) not in known
        ]


def same_ends(ends: List[Tuple[int, ...]], others: List[Tuple[int, ...]]) -> Optional[bool]:
    """Do two ways to run the step end on the same bits? Where one parts and they share none, that
    may be luck.
    """
    if set(ends) & set(others):
        return True
    return False if len(set(ends)) == len(set(others)) == 1 else None


def _counted(ends: List[Tuple[int, ...]]) -> Optional[Ends]:
    return Ends(len(ends), len(set(ends))) if ends else None
