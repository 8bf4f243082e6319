"""From "step 17 differs" to the operation: saves the state before that step and replays the step
under observation.

A step of ``fit``, of ``train_on_batch`` or of a ``tf.function`` is replayed after it has run:
operation by operation, with a fingerprint of each, and as it was compiled, as a whole. A step of
eager code is observed while it runs, once in each process. Afterwards all state is restored and
training continues. The code specific to a framework is in :mod:`detaudit_probes.ops.frameworks`.
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
LIVE = "eager loop"  # a step that is observed while it runs
FOLLOWED = "_detaudit_follows"
#: Seconds after which no further replay is started, except the first two.
LONGEST = 60.0
_clock = time.perf_counter


class Pinpoint:
    """The work at the step numbered ``step`` (from 0, over all models). ``found`` is the result.

    ``recorder`` counts the ``steps``, knows the variables that are ``alive()``, and records nothing
    while it is ``paused``. ``op_recorder`` is the framework's. ``algorithm`` is that of the
    fingerprints; ``users`` says whether a file is the user's.
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
        # The observed events, with all details in the first replay
        self.replays: List[List[Event]] = []
        self._hasher = fingerprint.Hasher(algorithm, Team.of_this_machine())
        self._users = users
        self._live: Optional[contextlib.ExitStack] = None
        self._before: Optional[State] = None
        self._others: List[Any] = []  # variables that are not Keras', as last found

    def on(self, backend: str) -> None:
        """Set the backend whose operations are observed; must be called before a step is taken."""
        self.framework = frameworks.get(backend)
        self.op_recorder = self.framework.OperationRecorder(self._hasher, self._users, self._named)

    def take(self) -> bool:
        """Return whether the step that begins now is the requested one; if so, save its state."""
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

    def made(self, variable: Any) -> None:
        """Called with each new variable of Keras, with its first value: the step that has begun may
        create the weights, as the first one of a model without an input layer does.
        """
        if self._before is not None:
            self._before.include(variable)

    def fail(self, reason: Any, kind: str = "fit") -> None:
        """Note that the step cannot be replayed; training continues."""
        failure = (
            "%s: %s" % (type(reason).__name__, reason)
            if isinstance(reason, Exception)
            else str(reason)
        )
        self.found = StepReplayed(kind, 0, failed=failure[:500])
        self.drop()

    def take_in_fit(self) -> bool:
        """Like :meth:`take`, for a step of ``fit`` that is known from callbacks and not from
        :meth:`follow`.
        """
        return not hasattr(self.framework, "stepping") and self.take()

    def follow(self, model: Any) -> None:
        """Observe the steps of ``fit`` and ``train_on_batch`` where the model calls them, if the
        framework allows it.
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
        """Forget the step that had begun: it was not a step."""
        self._before = None

    def tried(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of the step that was taken. If it raises, it may be tried again, and is
        then taken again.
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
        """Replay the step that has just run and has ``returned``: ``eager`` and ``compiled`` repeat
        it from the present state. ``unrecorded`` does so without an observer, if that is not
        ``eager``.

        Errors are reported (``failed``) and do not end the training.
        """
        if self._before is None or self.found:
            return
        self._close()
        self.recorder.paused = True
        try:
            self._replay(kind, self._before, eager, compiled, returned, unrecorded or eager)
        except Exception as error:  # an error of detaudit, or of a step that cannot run twice
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
        # Other variables that the step itself has created: an optimizer's state begins with zeros
        before.add(after)
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
        # If the step ends with the same bits each time, the difference in it had no consequence:
        # for example, memory that an operation did not write.
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

    @property
    def is_live(self) -> bool:
        """Whether a step of eager code is being observed."""
        return self._live is not None

    def begin_live(self, pending: bool = False) -> bool:
        """Called when a step of eager code begins: observe it to its end if it is the requested
        one. Return whether this starts now. ``pending``: the step before is not recorded yet.
        """
        if self.found or self._live is not None or self.recorder.steps + pending != self.step:
            return False
        self._others = self.framework.State.everything(self.recorder.alive())
        self._live = contextlib.ExitStack()
        self._live.enter_context(self.framework.naming_layers(self.op_recorder))
        self._live.enter_context(self.framework.recording(self.op_recorder))
        return True

    def begin_update(self) -> None:
        """Called when the script has taken the gradient of a step that may be observed."""
        if self.is_live:
            self.op_recorder.stage = "update"

    def end_live(self) -> None:
        """Called when the step has ended: the observed events are the result, because it cannot be
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
        """At the end of the process, write the findings to the trace and the events to a file in
        its folder.
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
    """Do two ways to run the step end with the same bits? If one of them varies and they share no
    result, this may be chance.
    """
    if set(ends) & set(others):
        return True
    return False if len(set(ends)) == len(set(others)) == 1 else None


def _counted(ends: List[Tuple[int, ...]]) -> Optional[Ends]:
    return Ends(len(ends), len(set(ends))) if ends else None
