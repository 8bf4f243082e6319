"""The folder in which a trial is started, and how its contents are prepared: values that the
supervisor can read as JSON.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

OVERLAY, COPY, IN_PLACE = "overlay", "copy", "in-place"
KINDS = (OVERLAY, COPY, IN_PLACE)

#: Names that never belong to a program: they are neither copied nor compared.
IGNORED = (
    "__pycache__",
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "node_modules",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "*.egg-info",
)


@dataclass(frozen=True)
class Start:
    """The folder's content when a trial starts: the user's folder as it is, with changes that only
    the trial sees.

    ``texts`` are new contents of files by their names below the folder (the text of a fix),
    ``without`` names that are removed. ``left`` starts with the content of an earlier trial's
    sandbox after that trial had ended.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    left: bool = False


@dataclass(frozen=True)
class View:
    """The place of the program's folder for one trial.

    ``plan`` is for :func:`detaudit.execution.sandbox.mounts.enter`, only JSON values; None if
    nothing is mounted.
    """

    root: Path
    plan: dict[str, Any] | None = None


class Sandbox(Protocol):
    """Gives trials their views of one folder. ``trial`` is a trial's own folder, outside of the
    user's.
    """

    kind: str

    def view(self, trial: Path, start: Start) -> View:
        """Prepare a view. Raises SandboxFailed if that is not possible."""

    def written(self, trial: Path) -> tuple[str, ...]:
        """Return names below the folder that the trial in this view has created, changed or
        removed, sorted.
        """

    def find(self, trial: Path, name: str) -> Path | None:
        """Return where the regular file is that the trial in this view sees under a name that it
        has :meth:`written`; None if there is none.
        """

    def find_kept(self, name: str) -> Path | None:
        """Return where the regular file is in the state that was kept last; None if there is
        none.
        """

    def places(self) -> tuple[Path, ...]:
        """Return other folders than the trials' own that contain views: a full disk there is
        detaudit's problem, not the program's.
        """

    def keep_state(self, trial: Path) -> Path:
        """Keep what this trial has left for ``Start(left=True)``, in place of an earlier trial's,
        which is removed. Return its folder.
        """

    def begin_from(self, state: Path, written: Collection[str]) -> None:
        """Like :meth:`keep_state`, with the files that another sandbox of this kind and folder has
        kept. ``written`` are the names that the trial wrote.
        """

    def discard(self, trial: Path) -> None:
        """Free what the view of a finished trial uses. Does nothing to a kept view."""

    def close(self, keep: bool = False) -> None:
        """Finish the audit: the user's folder is as it was. If ``keep``, the kept state stays
        there.
        """
