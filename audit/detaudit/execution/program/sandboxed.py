"""The sandbox of an audit, and the files that its runs leave in it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detaudit_probes import protocol

from detaudit.core.condition import Condition
from detaudit.core.experiment import Finished
from detaudit.core.files import write_json
from detaudit.execution.resume import STATE_FILE
from detaudit.execution.sandbox.errors import SandboxFailed, StateGone
from detaudit.execution.sandbox.view import Sandbox, Start, View

# In a trial's folder: the names below the program's folder that it has written. STATE_FILE says
# where the files that it left are kept, if they are.
WRITTEN_FILE = "written.json"
REMOVED = ""  # in STATE_FILE, if a later state has replaced this one


@dataclass(frozen=True)
class Begun:
    """How a run began whose leftovers may matter: ``without`` these names, under these ``pins``, as
    this ``version`` of the program.
    """

    without: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    version: str = ""

    @classmethod
    def of(cls, asked: Condition | protocol.Request) -> "Begun":
        return cls(asked.orders.without, asked.pins, asked.orders.version or "")


@dataclass
class Sandboxed:
    """The sandbox of an audit that ``began`` at that time, and the state that a later run may start
    with: the files that an earlier run left.
    """

    sandbox: Sandbox
    began: float = field(default_factory=time.time)
    _known: set[Begun] = field(default_factory=set)  # how the runs began whose state was ever kept
    _there: Begun | None = None  # how the run began whose state is kept now
    _holder: Path | None = None  # the folder of that trial
    _left: tuple[str, ...] = ()  # what it wrote
    _continued: set[Path] = field(default_factory=set)  # the trials that started with that
    _written: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def view(self, trial: Path, start: Start, begun: Begun) -> View:
        """Return the view of a run. Raises StateGone if the run is to start with files that no run
        left, or that are no longer kept.
        """
        if start.left and begun != self._there:
            raise StateGone(
                "The files of the earlier run, with which this run should start, are missing."
            )
        if start.left:
            self._continued.add(trial)
        return self.sandbox.view(trial, start)

    def written(self, trial: Path) -> tuple[str, ...]:
        """Return the names that a trial which has ended wrote; its folder is searched once."""
        if trial not in self._written:
            self._written[trial] = self.sandbox.written(trial)
        return self._written[trial]

    def outputs(self, trial: Path) -> dict[str, Path]:
        """Return the files that a trial which has ended leaves, by their names: those that it wrote
        and, if it started with an earlier run's, those of that run that it has not touched.
        """
        written = self.written(trial)
        found = {name: self.sandbox.find(trial, name) for name in written}
        if trial in self._continued:
            for name in self._left:
                # Of a folder that was removed, only the folder may be among the written names
                places = {name, *map(str, Path(name).parents)}
                if not places & set(written):
                    found[name] = self.sandbox.find_kept(name)
        return {name: path for name, path in found.items() if path is not None}

    def settle(self, trial: Path, begun: Begun | None) -> None:
        """Finish a trial. If it completed, and started without another run's files, ``begun`` says
        how.

        The files of the first trial that began like this are kept, in place of those kept before: a
        later run may start with them.
        """
        write_json(trial / WRITTEN_FILE, list(self.written(trial)))
        if begun is not None and begun not in self._known:
            self._keep_state(trial, begun)
        self.sandbox.discard(trial)
        del self._written[trial]

    def _keep_state(self, trial: Path, begun: Begun) -> None:
        if self._holder is not None:
            # Noted before it happens: a saved audit must not start with half of a state.
            write_json(self._holder / STATE_FILE, REMOVED)
        self._there = None
        write_json(trial / STATE_FILE, str(self.sandbox.keep_state(trial)))
        self._there, self._holder, self._left = begun, trial, self.written(trial)
        self._known.add(begun)

    def take_up(self, saved: Mapping[str, Finished]) -> dict[str, Finished]:
        """Return those runs of a saved audit that are valid for this one.

        If the state that was kept last is gone, see :meth:`begin_anew`. Raises SandboxFailed.
        """
        began = (run.trace.request.orders.began for run in saved.values() if run.trace is not None)
        self.began = min((time for time in began if time is not None), default=self.began)
        holders = {_begun(run): run for run in saved.values() if _has_left(run)}
        last = next((run for run in holders.values() if _state_of(run) is not None), None)
        if last is None:
            return self.begin_anew(saved)
        assert last.trace is not None
        self._known, self._there, self._holder = set(holders), _begun(last), last.trace.folder
        state = _state_of(last)
        assert state is not None
        self._left = written_by(last)
        self.sandbox.begin_from(state, self._left)
        return {
            key: run
            for key, run in saved.items()
            if not run.trial.condition.orders.left or _begun(run) in holders
        }

    def begin_anew(self, saved: Mapping[str, Finished]) -> dict[str, Finished]:
        """Return the saved runs that neither start with a state nor left one that was kept: the
        others are run again, in their order, which creates every state again.

        Raises SandboxFailed if the first run created something outside of the folder, which a later
        run would find, and nothing would show that a run had created it.
        """
        self._known, self._there = set(), None
        first = min(saved.values(), key=lambda run: run.number, default=None)
        made = files_of(first).made if first is not None and _has_left(first) else ()
        outside = [path for path in made if os.path.lexists(path)]
        if outside:
            raise SandboxFailed(
                f"The files of the first run are gone, and it created {outside[0]} outside the folder: "
                f"delete that, and start again without --resume."
            )
        return {
            key: run
            for key, run in saved.items()
            if not run.trial.condition.orders.left and not _has_left(run)
        }


def written_by(run: Finished) -> tuple[str, ...]:
    """Return the names below the program's folder that a run has written; none if there was no
    sandbox.
    """
    return tuple(run.trace.note(WRITTEN_FILE) or ()) if run.trace is not None else ()


def files_of(run: Finished) -> protocol.Files:
    """Return the files that a run has used; none if they were not recorded."""
    return run.trace.measures.files if run.trace is not None else protocol.Files()


def _begun(run: Finished) -> Begun:
    return Begun.of(run.trial.condition)


def _has_left(run: Finished) -> bool:
    """Whether the files that a run left were kept, even if only until another run's were."""
    return run.trace is not None and run.trace.note(STATE_FILE) is not None


def _state_of(run: Finished) -> Path | None:
    """Return the folder in which the files that a run left are kept; None if they are not, or no
    longer.
    """
    place = run.trace.note(STATE_FILE) if run.trace is not None else None
    return Path(place) if place and os.path.isdir(place) else None
