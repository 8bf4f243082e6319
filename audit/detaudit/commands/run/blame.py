"""Finds the lines that drew, in separate trials, after the cause is known. No bits are judged by
these trials.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from detaudit_probes import protocol
from detaudit_probes.declare import Source
from detaudit_probes.protocol import Draw, Seeding

from detaudit.commands.run import edits
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import INPUT_CHANGED, Cause, Site
from detaudit.commands.run.repeat import ask
from detaudit.commands.run.search import Pins, smallest
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Finished
from detaudit.execution.program.launch import relative
from detaudit.execution.program.texts import names_of, text_of
from detaudit.registry import base

MOST_CANDIDATES = 32  # expressions that are tried
MOST_FILES = 50  # in which they are looked for

Blaming = Generator[Sequence[Trial], dict[Trial, Finished], tuple[Cause, ...]]


def sites(case: Case, causes: tuple[Cause, ...], pairs: int) -> Blaming:
    """Return the causes with the lines that drew from each; ``pairs`` must match if a line is
    changed to find it.
    """
    unknown = [cause for cause in causes if not cause.sites]
    causes = yield from sites_of_draws(case, causes, unknown)
    found = []
    for cause in causes:
        if not cause.sites and _is_an_order(case.of_pin(cause.pin)):
            lines = yield from _of_hash_seed(case, causes, cause, pairs)
            cause = replace(cause, sites=lines)
        found.append(cause)
    return tuple(found)


def _is_an_order(source: Source) -> bool:
    """Whether it shows only in the order of sets and in values of ``hash``."""
    return source.script is not None and any(edit.kind == "order" for edit in source.script.edits)


def sites_of_draws(case: Case, causes: tuple[Cause, ...], wanted: Sequence[Cause]) -> Blaming:
    """Return the causes, those ``wanted`` with the lines that a new run observes to draw.

    In each run, the sources of every other cause are pinned.
    """
    runs = {}
    for cause in wanted:
        script = case.of_pin(cause.pin).script
        if script is not None and script.sites:
            others = [one.pin for one in causes if one is not cause]
            runs[cause] = _spying(case.asked(others), case.of_pin(cause.pin).id)
    found = yield list(runs.values())
    seen = {cause: _draws(case, found[trial]) for cause, trial in runs.items()}
    return tuple(
        _with_draws(case, cause, seen[cause]) if cause in seen else cause for cause in causes
    )


def _with_draws(case: Case, cause: Cause, seen: "_Draws") -> Cause:
    source = case.of_pin(cause.pin)
    direct = source.script is not None and source.script.direct
    lines = [one for one in seen.lines if one.in_user_code or not direct]
    return replace(cause, sites=tuple(lines), note=_note(source.id, lines, seen))


def openings(
    case: Case, files: Sequence[str], condition: Condition
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Site, ...]]:
    """Return the lines that open one of these ``files``, left by an earlier run; observed in a run
    of ``condition``.
    """
    trial = _spying(condition, INPUT_CHANGED, files)
    found = yield [trial]
    return tuple(_draws(case, found[trial]).lines)


def _spying(condition: Condition, source: str, files: Sequence[str] = ()) -> Trial:
    """Return a trial that records the call sites of ``source``."""
    return Trial(condition.with_orders(spy=source, record=False, files=tuple(files)), 0)


class _Draws(NamedTuple):
    """What a run recorded about a source: the lines that drew from it, the seeds that the script
    sets, and the folder of its files.
    """

    lines: Sequence[Site]
    seeds: Sequence[Seeding]
    root: Path


def _draws(case: Case, done: Finished) -> _Draws:
    if done.trace is None:
        return _Draws([], (), case.program.root)
    sites = done.trace.sites()
    root = Path(done.trace.request.orders.root or case.program.root).resolve()
    listed: dict[tuple[str, int, str], Site] = {}
    for draw in _unseeded(sites.draws):
        key = relative(draw.file, root), draw.line, draw.function
        site = Site(
            *key,
            draw.draws,
            draw.in_user_code,
            draw.stack,
            in_worker=draw.in_worker,
            traced=draw.traced,
        )
        known = listed.get(key)
        if known is not None:  # of another process
            site = replace(
                known,
                draws=known.draws + draw.draws,
                processes=known.processes + 1,
                in_worker=known.in_worker or draw.in_worker,
            )
        listed[key] = site
    return _Draws(list(listed.values()), sites.seeds, root)


def _unseeded(draws: Sequence[Draw]) -> Sequence[Draw]:
    """Return the lines that drew before the script seeded the source; all lines if each drew after
    that, because the seed did not help.
    """
    return [one for one in draws if one.draws > one.seeded] or draws


def _note(source: str, lines: Sequence[Site], seen: "_Draws") -> str:
    notes = []
    if any(site.in_worker for site in lines):
        notes.append("worker processes draw from it")
    if lines and all(site.traced for site in lines):
        notes.append(
            "it is drawn from while the function is traced, so every call of the traced function uses the same numbers"
        )
    return "; ".join(filter(None, (*notes, _of_seeds(source, seen.seeds, seen.root))))


def _of_seeds(source: str, seeds: Sequence[Seeding], root: Path) -> str:
    """Return a note on a seed that the script sets too late, or for a different generator."""
    if not seeds or not base.script_sources()[source].seeders:
        return ""
    shown = [f"{one.function} at {relative(one.file, root)}:{one.line}" for one in seeds[:4]]
    late = [text for text, one in zip(shown, seeds, strict=False) if one.reaches and one.draws]
    if late:
        return f"it is seeded too late: {late[0]} comes after the first draws"
    if not any(one.reaches for one in seeds):
        return f"the seeds that the script sets do not affect it: {', '.join(shown)}"
    return ""


@dataclass(frozen=True)
class _Candidate:
    """An expression through which the hash seed may affect a result; ``sure`` if it is a set, or a
    call of hash.
    """

    file: str
    place: int
    line: int
    sure: bool


def _of_hash_seed(
    case: Case, causes: Sequence[Cause], cause: Cause, pairs: int
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Site, ...]]:
    """Find the lines through which the hash seed affects a result: a smallest set whose change, in
    a copy, makes runs match.

    Expressions that are visibly sets are tried first, then those that may be sets too, then calls
    of libraries that ask ``hash()``.
    """
    others = [one.pin for one in causes if one is not cause]
    pinned = case.compared(case.short(case.pinned(others)))
    texts = _texts(case)
    found = _candidates(texts)[:MOST_CANDIDATES]

    def matches(names: Pins) -> Generator:
        chosen = [one for one in found if _name(one) in names]
        title = f"hash {' '.join(names)}"
        version = case.program.add_version(title, _without(texts, chosen))
        answer = yield from ask(pinned.with_orders(version=version), pairs)
        return answer.matches is True

    sure = [one for one in found if one.sure]
    for tried in [sure, found] if 0 < len(sure) < len(found) else [found]:
        names = tuple(_name(one) for one in tried)
        if names and (yield from matches(names)):
            needed = yield from smallest(matches, names)
            return tuple(
                Site(one.file, one.line, "", 1, True) for one in tried if _name(one) in needed
            )
    return (yield from _of_hashing_libraries(case, cause, others, pairs))


def _of_hashing_libraries(
    case: Case, cause: Cause, others: Sequence[str], pairs: int
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Site, ...]]:
    """Find the lines that call a library which asks ``hash()``: a smallest set of those for which
    stable answers make runs match.
    """
    script = case.of_pin(cause.pin).script
    if script is None or not script.answers:
        return ()
    spying = _spying(case.asked(others, free=(cause.pin,)), cause.source)
    found = yield [spying]
    lines = {
        f"{one.file}:{one.line}": one
        for one in _draws(case, found[spying]).lines
        if not one.in_user_code
    }
    pinned = case.pinned(others).with_pin(case.known[script.answers])
    short = case.compared(case.short(pinned))

    def matches(names: Pins) -> Generator:
        stable = json.dumps([[lines[name].file, lines[name].line] for name in names])
        answer = yield from ask(
            short.with_settings(protocol.own_setting(cause.source, stable)), pairs
        )
        return answer.matches is True

    names = tuple(lines)[:MOST_CANDIDATES]
    if not names or not (yield from matches(names)):
        return ()
    needed = yield from smallest(matches, names)
    return tuple(lines[name] for name in needed)


def _name(one: _Candidate) -> str:
    return f"{one.file}:{one.place}"


def _candidates(texts: Mapping[str, str]) -> list[_Candidate]:
    """In every file, the likeliest first."""
    found = []
    for file, text in texts.items():
        sure = len(edits.hash_ordered(text, unknown=False))
        found += [
            _Candidate(file, place, one.lineno, place < sure)
            for place, one in enumerate(edits.hash_ordered(text))
        ]
    return sorted(found, key=lambda one: not one.sure)


def _without(texts: Mapping[str, str], chosen: Sequence[_Candidate]) -> dict[str, str]:
    changed = {}
    for file in dict.fromkeys(one.file for one in chosen):
        expressions = edits.hash_ordered(texts[file])
        mine = [expressions[one.place] for one in chosen if one.file == file]
        changed[file] = edits.without_hash_seed(texts[file], mine)
    return changed


def _texts(case: Case) -> dict[str, str]:
    """Return the Python files of the program by name, the script's own first."""
    root, script = case.program.root, case.program.script
    is_python = script is not None and not case.program.words
    own = names_of(str(case.program.relative(script)), root) if is_python else []
    found = (path.relative_to(root) for path in sorted(root.rglob("*.py")))
    others = [str(path) for path in found if not _foreign(path)][:MOST_FILES]
    return {
        name: text
        for name in dict.fromkeys((*own, *others))
        if case.program.contains(name) and (text := text_of(root / name)) is not None
    }


def _foreign(path: Path) -> bool:
    return any(
        part in ("site-packages", "node_modules", "venv") or part.startswith(".")
        for part in path.parts
    )
