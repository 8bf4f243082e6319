"""Which of the Python processes of a run is judged, if it starts several: the one that makes the
most training steps, and the same one in every run.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detaudit_probes import codec, protocol

from detaudit.core.experiment import Finished
from detaudit.core.files import read_json, write_json
from detaudit.core.outcome import COMPLETED

#: In the folder of a trial with several recorded processes: which one is judged.
TRAINER_FILE = "trainer.json"
#: Why no process can be judged.
ALIKE = "several processes that are alike"
TOO_MANY = "more processes than are recorded"
FIRST = "first"  # the folder to which the trace of the first process is moved then


@dataclass(frozen=True)
class _Recorded:
    """A process that has ended, with the folder of its trace."""

    folder: Path
    process: protocol.Process
    document: Mapping[str, Any]

    @property
    def steps(self) -> int:
        return int(self.document.get("measures", {}).get("steps", 0))


class Trainer:
    """Chooses the judged process of each run, as in the first one that made a training step."""

    def __init__(self) -> None:
        self._chosen: protocol.Process | None = None

    def remember(self, runs: Sequence[Finished]) -> None:
        """Choose as these runs did, which are those of a saved audit."""
        notes = (run.trace.note(TRAINER_FILE) for run in runs if run.trace is not None)
        known = next(filter(None, notes), None)
        if known is not None:
            self._chosen = codec.decode(protocol.Process, known)

    def settle(self, folder: Path) -> None:
        """Make the trace of the judged process the trial's own, with what its other processes have
        used. If it is unclear which process that is, the trace says so.
        """
        if not (folder / protocol.PROCESSES_FOLDER).exists():
            return
        found = list(_recorded(folder))
        if [one.folder for one in found] in ([], [folder]):
            return
        judged = self._choose(found)
        too_many = (folder / protocol.PROCESSES_FOLDER / protocol.TOO_MANY_FILE).exists()
        if judged is None or too_many:
            document = read_json(folder / protocol.TRACE_FILE)
            document["measures"]["not_recorded"] = TOO_MANY if too_many else ALIKE
            write_json(folder / protocol.TRACE_FILE, document)
            return
        others = [one for one in found if one is not judged]
        write_json(judged.folder / protocol.TRACE_FILE, _with_others(judged, others))
        _join_sites(judged, others)
        if judged.folder != folder:
            _move(folder, folder / protocol.PROCESSES_FOLDER / FIRST)
            _move(judged.folder, folder)
        if judged.steps:
            write_json(folder / TRAINER_FILE, codec.encode(judged.process))

    def _choose(self, found: Sequence[_Recorded]) -> _Recorded | None:
        """Return the process that is judged: the one of the earlier runs, or the one with the most
        steps, of equal ones rank 0; None if the earlier one is not to be found among several alike.
        """
        if self._chosen is None:
            judged = max(found, key=lambda one: (one.steps, one.process.rank == "0"))
            if judged.steps:
                self._chosen = judged.process
            return judged
        title, _, rank = self._chosen
        same = [one for one in found if one.process == self._chosen]
        alike = [one for one in found if (one.process.title, one.process.rank) == (title, rank)]
        if len(same) == 1 or len(alike) == 1:
            return (same if len(same) == 1 else alike)[0]
        return None


def _recorded(folder: Path) -> Iterator[_Recorded]:
    """Yield the processes of a trial that were recorded to their end, in the order in which they
    began.
    """
    # A process that restarts itself by ``exec`` stands there twice
    began = dict.fromkeys((folder / protocol.PROCESSES_FILE).read_text().split())
    others = (folder / protocol.PROCESSES_FOLDER / number for number in began)
    for one in (folder, *others):
        with contextlib.suppress(OSError, ValueError):
            document = read_json(one / protocol.TRACE_FILE)
            process = codec.decode(protocol.Process, read_json(one / protocol.PROCESS_FILE))
            if document["outcome"]["kind"] == COMPLETED:
                yield _Recorded(one, process, document)


def _with_others(judged: _Recorded, others: Sequence[_Recorded]) -> dict[str, Any]:
    """Return the judged process's document, with the sources and files that the others used."""
    document = {**judged.document}
    measures = codec.decode(protocol.Measures, document["measures"])
    evidence = dict(document["evidence"])
    digests = dict(document["digests"])
    ends: dict[str, list[str]] = {}  # of other trainings, by their scripts
    for other in others:
        theirs = codec.decode(protocol.Measures, other.document["measures"])
        measures = measures._replace(
            saved=tuple(dict.fromkeys((*measures.saved, *theirs.saved))),
            used=_union(measures.used, theirs.used),
            placebos=_union(measures.placebos, theirs.placebos),
            trackers=_union(measures.trackers, theirs.trackers),
            imported=_union(measures.imported or (), theirs.imported or ()),
            files=_joined(measures.files, theirs.files),
        )
        final = other.document["digests"].get("final")
        if final is not None:
            ends.setdefault(other.process.title, []).append(final)
        for name, count in other.document["evidence"].items():
            evidence[name] = evidence.get(name, 0) + count
        saved = {
            name: digest
            for name, digest in other.document["digests"].items()
            if name.startswith(protocol.SAVED)
        }
        digests = {**saved, **digests}
    for title, finals in ends.items():
        name = f"{protocol.OUTSIDE}/weights of {title}"
        # Sorted, because trainings side by side end in any order
        joined = "".join(sorted(finals)).encode()
        digests[protocol.SAVED + name] = hashlib.sha256(joined).hexdigest()
        measures = measures._replace(saved=(*measures.saved, name))
    return {
        **document,
        "measures": codec.encode(measures),
        "evidence": evidence,
        "digests": digests,
    }


def _union(mine: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*mine, *theirs}))


def _joined(mine: protocol.Files, theirs: protocol.Files) -> protocol.Files:
    return protocol.Files(
        **{
            name: one or other if isinstance(one, bool) else _union(one, other)
            for name, one, other in zip(protocol.Files._fields, mine, theirs, strict=True)
        }
    )


def _join_sites(judged: _Recorded, others: Sequence[_Recorded]) -> None:
    """Add the lines of the other processes that drew, or set seeds."""
    draws: list[protocol.Draw] = []
    seeds: list[protocol.Seeding] = []
    for one in (judged, *others):
        path = one.folder / protocol.SITES_FILE
        if path.exists():
            sites = codec.decode(protocol.CallSites, read_json(path))
            draws += sites.draws
            seeds += sites.seeds
    if draws or seeds:
        sites = protocol.CallSites(tuple(draws), tuple(seeds))
        write_json(judged.folder / protocol.SITES_FILE, codec.encode(sites))


def _move(source: Path, target: Path) -> None:
    """Move the trace of a process to another folder."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name in protocol.OF_PROCESS or path.suffix in protocol.TABLE_SUFFIXES:
            path.rename(target / path.name)


def is_another(runs: Sequence[Finished]) -> bool:
    """Whether another process than the first is judged."""
    moved = Path(protocol.PROCESSES_FOLDER) / FIRST
    return any(run.trace is not None and (run.trace.folder / moved).exists() for run in runs)


def process_of(runs: Sequence[Finished]) -> protocol.Process | None:
    """Return the process that is judged, as the first recorded run describes it."""
    notes = (run.trace.note(protocol.PROCESS_FILE) for run in runs if run.trace is not None)
    known = next(filter(None, notes), None)
    return None if known is None else codec.decode(protocol.Process, known)


def described(runs: Sequence[Finished]) -> str:
    """Return a sentence on the process that is judged; empty if none made a training step."""
    process = process_of(runs)
    trains = any(run.trace is not None and run.trace.measures.steps for run in runs)
    if process is None or not trains:
        return ""
    rank = f" (rank {process.rank})" if process.rank else ""
    return (
        f"the process that was judged is {process.title}{rank}: of the program's Python processes, "
        f"the one that makes the most training steps"
    )
