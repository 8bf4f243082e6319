"""What is saved of an audit in progress, and continued by ``--resume``.

A saved audit is a folder with the traces of the finished trials and ``resume.jsonl``: a line on the
audit, then a line for each trial, added as it ends. So they outlive the audit however it ends; an
incomplete last line is ignored. Traces say nothing about a machine that has changed, so the first
line also contains what must be equal.

Version history: 1, one document, written when an audit was interrupted; 2, a line for each trial;
3, a digest of every variable that trials inherit.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from detaudit_probes import codec, protocol

from detaudit import __version__
from detaudit.core import trace as traces
from detaudit.core.condition import Condition, Trial, items
from detaudit.core.experiment import Finished
from detaudit.core.files import replace_file
from detaudit.core.outcome import Outcome
from detaudit.errors import UsageError

FORMAT, VERSION = "detaudit.resume", 3
FILE = "resume.jsonl"
STATE_FILE = "state.json"  # in a trial's folder: where the files that it left are kept
LARGEST = 100_000_000  # bytes; a saved audit of a thousand trials has about one million
AGAIN = "Start again without --resume"
RESTORE = "Restore what changed, or start again without --resume"
MOST_NAMES = 3  # changed files, options or variables that a message names


@dataclass(frozen=True)
class Identity:
    """What must be equal for saved trials to be valid for an audit.

    ``variables`` has a digest of each variable that trials inherit. ``options`` are the command's
    options that change a trial, as the user writes them. ``files`` are the program's, with what
    shows a change.
    """

    command: str
    interpreter: str
    environment: Mapping[str, Any]
    fingerprint: str
    machine: Mapping[str, Any]
    seed: int
    isolate: bool
    variables: Mapping[str, str]
    arguments: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    detaudit: str = __version__


class Saved(NamedTuple):
    """A saved audit: the file that names it, its identity as JSON values, its trials by key."""

    path: Path
    identity: Mapping[str, Any]
    finished: dict[str, Finished]


class Record:
    """``resume.jsonl`` in an audit's own folder; it contains the trials for which ``lasting`` is
    true.
    """

    def __init__(self, folder: Path, identity: Identity, lasting: Callable[[Outcome], bool]):
        self.path = folder / FILE
        self._identity, self._lasting = identity, lasting

    def write(self, finished: Iterable[Finished]) -> None:
        """Write the whole file anew."""
        header = {"format": FORMAT, "version": VERSION, "identity": asdict(self._identity)}
        replace_file(self.path, _line(header) + b"".join(map(self._line, finished)))

    def add(self, finished: Finished) -> None:
        """Add a trial that has ended. Afterwards the whole line is on the disk, or none."""
        with open(self.path, "ab", buffering=0) as file:
            file.write(self._line(finished))

    def _line(self, finished: Finished) -> bytes:
        if not self._lasting(finished.outcome):
            return b""
        folder = None
        if finished.trace is not None:
            folder = os.path.relpath(finished.trace.folder, self.path.parent)
        return _line(
            {
                "number": finished.number,
                "draw": finished.trial.draw,
                "condition": _condition(finished.trial.condition),
                "outcome": asdict(finished.outcome),
                "folder": folder,
            }
        )


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode() + b"\n"


def load(path: Path) -> Saved:
    """Return the saved audit in a file. Raises UsageError if the file is not one, or its traces are
    gone.
    """
    header, *lines = _read(path)
    try:
        finished = [_finished(json.loads(line), path.parent) for line in lines]
    except (LookupError, TypeError, ValueError, OSError, RecursionError) as error:
        raise UsageError(f"{path} is damaged ({type(error).__name__}: {error}). {AGAIN}.") from None
    return Saved(path, json.loads(header)["identity"], {run.trial.key(): run for run in finished})


def _read(path: Path) -> list[bytes]:
    """Return its complete lines; the first one is checked."""
    try:
        if path.is_fifo():  # perhaps nobody ever writes to it
            raise UsageError(f"{path} is not a saved audit: it is not a file.")
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UsageError(f"{path} is too large to be a saved audit.")
        lines = content.split(b"\n")[:-1]
        header = json.loads(lines[0]) if lines else None
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. --resume takes the file that the interrupted "
            f"audit named."
        ) from None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UsageError(
            f"{path} is not a saved audit. --resume takes the file that the interrupted audit named."
        )
    if header.get("version") != VERSION:
        raise UsageError(
            f"{path} was saved by another detaudit (version {header.get('version')} of the format, "
            f"this one reads {VERSION}). {AGAIN}."
        )
    if not isinstance(header.get("identity"), dict):
        raise UsageError(f"{path} is damaged: it does not say what was audited. {AGAIN}.")
    return lines


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        **vars(condition),
        "settings": codec.encode(condition.settings),
        "orders": codec.encode(condition.orders),
        "environment": dict(condition.environment),
    }


def _finished(saved: Mapping[str, Any], folder: Path) -> Finished:
    condition = dict(saved["condition"])
    condition["settings"] = codec.decode(protocol.Settings, condition["settings"])
    condition["orders"] = codec.decode(protocol.Orders, condition["orders"])
    condition["environment"] = items(condition["environment"])
    for name in ("pins", "unpinned"):
        condition[name] = tuple(condition[name])
    trace = traces.read(folder / saved["folder"]) if saved["folder"] else None
    if saved["folder"] and trace is None:
        raise ValueError(f"the trace of trial {saved['number']} is gone")
    trial = Trial(Condition(**condition), int(saved["draw"]))
    return Finished(trial, int(saved["number"]), Outcome(**saved["outcome"]), trace)


def refuse_changed(saved: Saved, now: Identity) -> None:
    """Raise UsageError, with what has changed, if the saved trials belong to a different audit."""
    changed = _changed(saved.identity, json.loads(json.dumps(asdict(now))))
    if changed:
        raise UsageError(
            f"Cannot continue the saved audit: {', '.join(changed)} changed since then. {RESTORE}."
        )


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the fields of an identity that changed; of some, what changed in them."""
    names = []
    for identity_field in fields(Identity):
        name = identity_field.name
        before, after = then.get(name), now[name]
        if name in ("variables", "options", "files"):
            saved = before if isinstance(before, dict) else {}
            names += _changed_keys(saved, after)
        elif before != after:
            names.append(name)
    return names


def _changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values differ: the first :data:`MOST_NAMES`, and how many more."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    more = [f"{len(keys) - MOST_NAMES} more"] if len(keys) > MOST_NAMES else []
    return [*keys[:MOST_NAMES], *more]
