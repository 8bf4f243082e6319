"""What a trial is started in, and how its contents are prepared: values that the supervisor can
read as JSON.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

OVERLAY, COPY, IN_PLACE = "overlay", "copy", "in-place"
KINDS = (OVERLAY, COPY, IN_PLACE)

#: What never belongs to a program: it is neither copied nor compared.
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
    """What a trial begins from: the user's folder as it is, with changes that the trial alone sees.

    ``texts`` are new contents of files by their names below the folder (the text of a fix),
    ``without`` names that are taken away. ``left`` begins from what the sandbox of an earlier trial
    held when that trial had ended.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    left: bool = False


@dataclass(frozen=True)
class View:
    """Where the program's folder is for one trial. ``plan`` is for
    :func:`detaudit.execution.sandbox.mounts.enter`, JSON values alone; None where nothing is
    mounted.
    """

    root: Path
    plan: dict[str, Any] | None = None


class Sandbox(Protocol):
    """What gives trials their views of one folder. ``trial`` is a trial's own folder, outside of
    the user's.
    """

    kind: str

    def view(self, trial: Path, start: Start) -> View:
        """Prepare a view. Raises SandboxFailed where it cannot be made."""

    def written(self, trial: Path) -> tuple[str, ...]:
        """Names below the folder that the trial in this view has made, changed or removed,
        sorted.
        """

    def places(self) -> tuple[Path, ...]:
        """Where views lie besides the trials' own folders: a full disk there is ours, and not the
        program's.
        """

    def keep_state(self, trial: Path) -> Path:
        """What this trial has left is what ``Start(left=True)`` begins from, and no longer what an
        earlier one has, which is removed. Where it lies.
        """

    def begin_from(self, state: Path, written: Collection[str]) -> None:
        """As :meth:`keep_state`, with what another sandbox of this kind and folder has kept.

        ``written`` are the names that the trial wrote.
        """

    def discard(self, trial: Path) -> None:
        """The trial has ended: free what its view holds. Does nothing to one that is kept."""

    def close(self, keep: bool = False) -> None:
        """The audit has ended: the user's folder is as it was. ``keep`` leaves the kept state
        there.
        """
