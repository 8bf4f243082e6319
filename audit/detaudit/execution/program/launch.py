"""What every audit of a user's program needs around its runs: the program's own variables, a runner
that starts it, and an end at which its folder is as it was.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detaudit.core.events import Emit, Notice
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, CRASHED, FAILED, Outcome
from detaudit.execution.audit import Session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program.process import NO_OTHERS, Process, Services
from detaudit.execution.program.program import Program
from detaudit.execution.runner import Runner
from detaudit.execution.sandbox import tree
from detaudit.execution.sandbox.choice import Choice
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.view import COPY, OVERLAY, Sandbox
from detaudit.execution.workspace import RUNS

#: Signals that a batch system or the kernel sends, not the script.
FROM_OUTSIDE = ("SIGINT", "SIGHUP", "SIGTERM", "SIGKILL")


def environment(
    program: Program, python: str, device: str = "auto", backend: str | None = None
) -> dict[str, str]:
    """Return the user's own variables, because it is the user's program that is run."""
    variables = dict(os.environ)
    if device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    if backend is not None:
        variables["KERAS_BACKEND"] = backend
    if program.words:
        path, folder = variables.get("PATH", os.defpath), os.path.dirname(python)
        if os.path.dirname(shutil.which("python", path=path) or "") != folder:
            # As if the environment of ``python`` were activated
            variables["PATH"] = os.pathsep.join((folder, path))
    return variables


def start(
    work: Session,
    program: Program,
    interpreter: Interpreter,
    limits: Limits,
    variables: Mapping[str, str],
    services: Services,
    others: Mapping[str, Program] = NO_OTHERS,
    **how: Any,
) -> Runner:
    """Return a runner of the program in fresh processes, and of ``others`` in its folder, each for
    the conditions with its name; ``how`` as for :class:`~detaudit.execution.runner.Runner`.
    """

    def open_process(
        interpreter: Interpreter, control: Path, variables: Mapping[str, str]
    ) -> Process:
        return Process(program, interpreter, control, variables, services, others)

    control = work.folder.path / RUNS
    control.mkdir(exist_ok=True)
    return work.start(
        interpreter, limits, control, variables, keep_bytes=False, open_host=open_process, **how
    )


def remove_unfinished(runner: Runner) -> None:
    """Remove the folders of runs that had begun and are not continued: their numbers are used
    again.

    Nothing refers to them, so an interruption here loses nothing that is saved.
    """
    finished = runner.finished.values()
    folders = {run.trace.folder for run in finished if run.trace is not None}
    for path in runner.control.iterdir():
        if not any(folder.is_relative_to(path) for folder in folders):
            tree.remove(path)


def digest_of(program: Program) -> str:
    """Return a digest of the command line and its folders: arguments may contain secrets."""
    return digest(
        "\0".join([program.title, *map(str, (program.cwd, program.root)), *program.arguments])
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def relative(file: str, root: Path) -> str:
    """Return a file's name below ``root``; only its last part if it is elsewhere."""
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def imported(trials: Sequence[Finished]) -> dict[str, list[str]]:
    """Return the distributions that the runs have imported, as a fact; nothing if none says so."""
    traces = (trial.trace for trial in trials if trial.trace is not None)
    known = [trace.measures.imported for trace in traces]
    listed = [names for names in known if names is not None]
    return {"imported": sorted({name for names in listed for name in names})} if listed else {}


def trackers_of(trials: Sequence[Finished]) -> set[str]:
    """Return the modules of experiment trackers that the runs have imported."""
    traces = (trial.trace for trial in trials if trial.trace is not None)
    return {name for trace in traces for name in trace.measures.trackers}


def ended_by_script(outcome: Outcome) -> bool:
    """Whether the script itself ended the run; otherwise another run might end differently."""
    ended = outcome.kind in (COMPLETED, FAILED, CRASHED)
    return ended and not any(name in outcome.reason for name in FROM_OUTSIDE)


def close(sandbox: Sandbox, keep: bool, emit: Emit) -> None:
    """Leave the user's folder as it was; ``keep`` as for :meth:`Sandbox.close`."""
    try:
        sandbox.close(keep=keep)
    except SandboxFailed as error:  # the findings are still reported; the journal is kept
        emit(Notice(str(error)))
    replaced = getattr(sandbox, "replaced", None)
    if replaced is not None:
        emit(
            Notice(
                "Files that changed in the folder during the audit, by its runs or by you, are kept in "
                f"{replaced}."
            )
        )


def describe_isolation(choice: Choice, program: Program) -> str:
    """Return the sentences on how the user's folder is protected, before the first run."""
    kind, root = choice.sandbox.kind, program.root
    if kind == OVERLAY:
        return "Each run sees its folder through an overlay: what it writes there is discarded."
    others = ", ".join(map(str, program.beside))
    away = f" Not protected, although the script may use them: {others}." if others else ""
    if kind == COPY:
        reason = f", because {choice.reason}" if choice.reason else ""
        return (
            f"Each run works in a copy of its folder{reason}: an absolute path still points to the folder "
            f"itself.{away}"
        )
    return (
        f"Runs write into {root} itself, one at a time. It was saved and is restored after each run; if the audit is "
        f"killed, the next `detaudit run` restores it. Do not edit it during the audit.{away}"
    )
