"""What is saved of an interrupted audit, and taken up again by ``--resume``.

A saved audit is a folder with the traces of the trials that had finished and ``resume.json``, which
names them. Traces say nothing about a machine that has changed, so the file also holds what must be
equal.

Version history: 1, the first.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detaudit_probes import protocol

from detaudit import base, traces
from detaudit.condition import Condition, Trial, items
from detaudit.core.experiment import Finished
from detaudit.core.files import write_json
from detaudit.errors import UsageError
from detaudit.outcome import Outcome

FORMAT, VERSION = "detaudit.resume", 1
FILE = "resume.json"
LARGEST = 50_000_000  # bytes; a saved audit of a thousand trials has about one million


def save(folder: Path, identity: Mapping[str, Any], finished: Mapping[str, Finished]) -> Path:
    """Write ``resume.json``, with the trials that completed, into the audit's own folder; its
    path.
    """
    path = folder / FILE
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "identity": identity,
            "trials": [
                {
                    "number": one.number,
                    "draw": one.trial.draw,
                    "condition": one.trial.condition.document(),
                    "outcome": asdict(one.outcome),
                    "folder": str(one.trace.folder.relative_to(folder)) if one.trace else None,
                }
                for one in finished.values()
                if one.outcome.completed
            ],  # what failed is tried again
        },
    )
    return path


def load(path: Path) -> tuple[dict[str, Any], dict[str, Finished]]:
    """The identity and the finished trials of a saved audit, by key.

    Raises UsageError where the file is not one, or its traces are gone.
    """
    document = _read(path)
    try:
        finished = [_finished(one, path.parent) for one in document["trials"]]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UsageError(
            f"{path} is damaged ({type(error).__name__}: {error}). Scan again without --resume."
        ) from None
    return document["identity"], {one.trial.key(): one for one in finished}


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is too large to be a saved audit.")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. --resume takes the file that the interrupted "
            f"scan named."
        ) from None
    except ValueError:
        raise UsageError(
            f"{path} is not a saved audit: not JSON. --resume takes the file that the interrupted "
            f"scan named."
        ) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"{path} is not a saved audit (its format is not {FORMAT}).")
    if document.get("version") != VERSION:
        raise UsageError(
            f"{path} was saved by another detaudit (version {document.get('version')} of the format, "
            f"this one knows {VERSION}). Scan again without --resume."
        )
    return document


def _finished(one: Mapping[str, Any], folder: Path) -> Finished:
    fields = dict(one["condition"])
    fields["settings"], fields["orders"] = protocol.from_flat(
        fields.pop("options"), base.script_sources()
    )
    fields["environment"] = items(fields["environment"])
    for name in ("pins", "loose"):
        fields[name] = tuple(fields[name])
    outcome = Outcome(**one["outcome"])
    trace = traces.read(folder / one["folder"]) if one["folder"] else None
    if outcome.completed and trace is None:
        raise ValueError(f"the trace of trial {one['number']} is gone")
    return Finished(
        Trial(Condition(**fields), int(one["draw"])), int(one["number"]), outcome, trace
    )


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of the identity is no longer the same."""
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
