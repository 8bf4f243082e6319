"""The fix as a diff against the user's own files, applied to a copy and run: it is called verified
only then.
"""

import difflib
import itertools
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit_probes import notebooks
from detaudit_probes.declare import Edit
from detaudit_probes.libraries import LIBRARIES, Library

from detaudit.commands.run import cost, imports, libraries
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Cause, Fix, Site
from detaudit.commands.run.lines import lines_of, moved
from detaudit.commands.run.repeat import ask
from detaudit.commands.run.rewriting import Place, kind_of
from detaudit.commands.run.search import Pins, smallest
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import excluded_rate
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.sentences import listed
from detaudit.execution.program.texts import names_of, put_back, text_of
from detaudit.registry import base

MOST_READ = 500  # files that may import a changed one
MOST_LINES = 6  # of which the fewest are looked for
MOST_COMBINATIONS = 6  # of ways to pin the causes that are tried
EACH_TASK = (
    "Give each task a seed of its own, made from a constant and the number of the task or item, as in "
    "numpy.random.default_rng([1, number]) or random.Random(number)."
)
#: Why no edit is tried, if it :func:`_would_repeat` numbers.
SEVERAL_PROCESSES = (
    "several processes run the line, or may run it, and one constant would give all of them the same numbers. "
    + EACH_TASK
)
BOM = "\N{BYTE ORDER MARK}"
FILE_SEEDS = 1000  # between the seeds for the generators of two files
ONE_FILE = ("numbers",)  # edits that name something which two files would have to share
#: Between a recorded run of the program and its fix, either way, if a number of rounds ends it. The
#: rounds are those of a run that is not recorded, and recording makes small steps slower.
MOST_STEPS_RATIO = 5

Files = Mapping[str, str]
Fixing = Generator[Sequence[Trial], dict[Trial, Finished], tuple[Fix | None, str]]


@dataclass(frozen=True)
class Way:
    """One way to pin one cause or several: an edit at some lines of a file, an argument of a
    library's that draws from ``source``, or variables. ``seeds_workers``: its seed also gives each
    worker a seed of its own.
    """

    edit: Edit | None = None
    library: Library | None = None
    source: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    sites: tuple[Site, ...] = ()
    seeds_workers: bool = False

    @property
    def kind(self) -> str:
        """The kind of its edit; empty if it is none."""
        return self.edit.kind if self.edit is not None else ""

    def draws(self, file: str) -> dict[int, int]:
        """Return how often each line of a file drew."""
        found: dict[int, int] = {}
        for site in self.sites:
            if site.file == file:
                found[site.line] = found.get(site.line, 0) + site.draws
        return found


def fix(
    case: Case,
    causes: tuple[Cause, ...],
    pairs: int,
    pins_work: Callable[[], Experiment[bool]],
) -> Fixing:
    """Return the first combination of ways with which whole runs match, or None and the reason why
    there is none.

    ``pairs`` of runs must match; a version that is not the first tried is run once more. If runs of
    the first version do not match, ``pins_work`` says whether those with the pins do: otherwise no
    other version is tried.
    """
    unwritten = [cause.source for cause in causes if not list(_ways(case, cause))]
    if unwritten:
        return None, _unknown(causes, unwritten)
    last, number = "", -1
    before: dict[str, str | None] = {}
    causes = yield from _with_fewest_lines(case, causes, before)
    for number, (ways, files) in enumerate(_changes(case, causes, before)):
        version = case.program.add_version(f"fix {number}", files)
        environment = tuple(sorted({item for way in ways for item in way.environment}))
        condition = case.unpinned.with_orders(version=version).with_environment(dict(environment))
        if number and case.cut is not None:
            answer = yield from ask(case.compared(case.short(condition)), 1)
            if answer.matches is not True:
                last = answer.reason or "its runs differ"
                continue
        answer = yield from ask(condition, pairs + (1 if number else 0))
        if answer.matches is not True:
            last = answer.reason or "its runs differ"
            if not number and not (yield from pins_work()):
                break
        else:
            wrong = (yield from _other_length(case, ways, answer.runs[0])) or (
                yield from _second_run_fails(case, ways, condition)
            )
            if wrong:
                last = wrong
                continue
            as_it_is, fixed = yield from _timed(case, condition, answer.runs[0])
            excluded = excluded_rate(answer.repeats.matching)
            return Fix(
                diff(before, files),
                environment,
                True,
                answer.repeats.runs,
                f"{answer.repeats.runs} runs of the changed script are bitwise identical (a rate above "
                f"{excluded:.0%} is excluded)",
                *cost.ratios(as_it_is, fixed),
                excluded,
                changed_texts(case, before, files),
                tuple(_calls_of_libraries(case, ways, before, files)),
            ), ""
    if number < 0:
        again = [
            cause for cause in causes if any(_would_repeat(case, way) for way in _ways(case, cause))
        ]
        if again:
            return (
                None,
                f"{SEVERAL_PROCESSES} {_advice(again, [one.source for one in again])}".strip(),
            )
        every = [cause.source for cause in causes]
        unfit = [cause.source for cause in causes if not _fits(case, cause)] or every
        advice = _advice(causes, unfit)
        return None, f"no edit that detaudit knows for {listed(unfit)} fits. {advice}".strip()
    advice = _advice(causes, [cause.source for cause in causes])
    if any(site.in_worker for cause in causes for site in cause.sites):
        advice = f"{EACH_TASK} {advice}"
    return None, f"no change that was tried works: {last}. {advice}".strip()


def _with_fewest_lines(
    case: Case, causes: tuple[Cause, ...], before: dict[str, str | None]
) -> Experiment[tuple[Cause, ...]]:
    """Return the causes, those that a generator of ours would pin with the fewest lines at which it
    does: the others may make keys or names, which must not repeat.
    """
    found = []
    for cause in causes:
        script = case.of_pin(cause.pin).script
        edit = next((one for one in script.edits if one.kind == "stream"), None) if script else None
        if edit is not None and 1 < len(cause.sites) <= MOST_LINES:
            others = [one.pin for one in causes if one is not cause]
            condition = case.compared(case.short(case.pinned(others)))
            sites = yield from _fewest(case, edit, cause.sites, condition, before)
            cause = replace(cause, sites=sites)
        found.append(cause)
    return tuple(found)


def _fewest(
    case: Case,
    edit: Edit,
    sites: tuple[Site, ...],
    condition: Condition,
    before: dict[str, str | None],
) -> Experiment[tuple[Site, ...]]:
    """Return the fewest sites at which the edit makes runs of the condition match; all of them if
    it does not.
    """

    def at(names: Pins) -> tuple[Site, ...]:
        return tuple(site for site in sites if f"{site.file}:{site.line}" in names)

    def matches(names: Pins) -> Experiment[bool]:
        files = applied(case, (Way(edit, sites=at(names)),), before)
        if files is None:
            return False
        version = case.program.add_version(f"stream {' '.join(names)}", files)
        answer = yield from ask(condition.with_orders(version=version), 1)
        return answer.matches is True

    names = tuple(f"{site.file}:{site.line}" for site in sites)
    for name in names:  # most often one line is enough
        if (yield from matches((name,))):
            return at((name,))
    if not (yield from matches(names)):
        return sites
    return at((yield from smallest(matches, names)))


def _second_run_fails(case: Case, ways: Sequence[Way], fixed: Condition) -> Experiment[str]:
    """Return what is wrong with a second run of the changed script, which finds the files of a
    first one, if ids repeat; an empty text if it completes.
    """
    if not any(way.kind == "stream" for way in ways):
        return ""
    first = Trial(fixed.with_orders(kept=True), 0)
    second = Trial(fixed.with_orders(left=True), 0)
    completed = (yield [first])[first].outcome.completed
    outcome = (yield [second])[second].outcome if completed else None
    if outcome is None or outcome.completed:
        return ""
    return f"a second run of the changed script fails: {outcome.reason}"


def _other_length(case: Case, ways: Sequence[Way], fixed: Finished) -> Experiment[str]:
    """Return what is wrong with the number of steps of the changed script, if a number of rounds
    ends it; an empty text if it trains about as long as the program.
    """
    if not any(way.kind == "rounds" for way in ways):
        return ""
    trial = Trial(case.unpinned, 0)
    found = yield [trial]
    before, after = _steps(found[trial]), _steps(fixed)
    if 0 < before <= MOST_STEPS_RATIO * after and after <= MOST_STEPS_RATIO * before:
        return ""
    return f"its runs match, but make {after} training steps instead of {before}"


def _steps(run: Finished) -> int:
    return run.trace.measures.steps if run.trace is not None else 0


def _fits(case: Case, cause: Cause) -> bool:
    return any(applied(case, (way,), {}) is not None for way in _ways(case, cause))


def _unknown(causes: Sequence[Cause], sources: Sequence[str]) -> str:
    return f"detaudit knows no edit that pins {listed(sources)}. {_advice(causes, sources)}".strip()


def _timed(case: Case, fixed: Condition, run: Finished) -> Experiment[list[list[float]]]:
    """Return the seconds of the program as it is and of the changed one, if that is wanted."""
    if not cost.wanted(case, cost.seconds(0, run.outcome.seconds)):
        return [[], []]
    return (yield from cost.timed([case.unpinned, fixed], cost.ROUNDS, cost.FIX))


def _ways(case: Case, cause: Cause) -> Iterator[Way]:
    script = case.of_pin(cause.pin).script
    assert script is not None
    yield from library_ways(cause)
    source = base.script_sources().get(cause.source)
    # A source that is pinned by another source's pin declares edits of its own
    own_edits = source.edits if source is not None and source.script is not script else ()
    for edit in (*own_edits, *script.edits):
        if edit.kind == "insert" or cause.sites:
            yield Way(edit, sites=cause.sites, seeds_workers=script.seeds_workers)
    # What no line of a script can pin is set before it starts
    pin = case.known.get(cause.pin)
    if pin is None:
        return
    default = tuple(pin.environment.items())
    # A program may use a library beside its framework
    for variables in dict.fromkeys(
        pin.variables.get(name, default) for name in (case.backend, "*")
    ):
        if variables:
            yield Way(environment=variables)


def library_ways(cause: Cause) -> Iterator[Way]:
    """Yield the arguments of libraries that may pin the cause, if libraries drew."""
    if not any(site.in_user_code for site in cause.sites):
        for library in LIBRARIES:
            if cause.source in library.sources:
                yield Way(library=library, source=cause.source, sites=cause.sites)


def _combinations(case: Case, causes: tuple[Cause, ...]) -> Iterator[tuple[Way, ...]]:
    """Yield combinations of one way for each cause; first those with one call that pins several
    causes, such as all seeds.
    """
    for pin in base.known_pins().values():
        together = [cause for cause in causes if cause.source in pin.sources]
        if len(together) > 1:
            apart = (one for one in together if not case.of_pin(one.pin).script.seeds_workers)
            sites = tuple(site for cause in apart for site in cause.sites)
            rest = [list(_ways(case, cause)) for cause in causes if cause not in together]
            for edit in pin.edits:
                for others in itertools.product(*rest):
                    yield (Way(edit, sites=sites), *others)
    yield from itertools.product(*(list(_ways(case, cause)) for cause in causes))


def _changes(
    case: Case, causes: tuple[Cause, ...], before: dict[str, str | None]
) -> Iterator[tuple[tuple[Way, ...], Files]]:
    """Yield the first combinations that fit, each with the changed files: seeds are set below the
    imports, and then, if that is another place, between them.
    """
    fitting = 0
    for ways in _combinations(case, causes):
        late = applied(case, ways, before)
        if late is None:
            continue
        yield ways, late
        early = applied(case, ways, before, early=True)
        if early is not None and any(
            _without_blank_lines(late[name]) != _without_blank_lines(early[name]) for name in late
        ):
            yield ways, early
        fitting += 1
        if fitting == MOST_COMBINATIONS:
            return


def _without_blank_lines(text: str) -> list[str]:
    return [line for line in lines_of(text) if line.strip()]


def applied(
    case: Case, ways: Sequence[Way], before: dict[str, str | None], early: bool = False
) -> Files | None:
    """Return the changed files, made from the texts ``before``, which are read once: the user may
    edit them meanwhile. None if one of the ways fits no line. What is inserted at the top comes
    last.
    """
    files: dict[str, str] = {}
    seed = case.unpinned.seed
    for way in sorted(ways, key=_is_insertion):
        if way.edit is None and way.library is None:
            continue
        if _would_repeat(case, way):
            return None
        gives_seeds = way.edit is not None and kind_of(way.edit).gives_seeds
        changed = []
        for name in filter(case.program.contains, _names(case, way)):
            text = files.get(name) or _read(case, name, before)
            if text is None:
                continue
            draws = moved(way.draws(name), before[name] or "", text)
            given = seed if gives_seeds else case.unpinned.seed
            place = Place(text, draws, given, _around(case, name, files), early)
            new = _edited(place, way)
            if new is None:
                continue
            if gives_seeds:
                seed += FILE_SEEDS
            files[name] = new
            changed.append(name)
            if _is_insertion(way):
                break
        if not changed or (way.kind in ONE_FILE and len(changed) > 1):
            return None
    return {name: _tidy(case, name, files, before) for name in files}


def _is_insertion(way: Way) -> bool:
    return way.kind == "insert"


def _read(case: Case, name: str, before: dict[str, str | None]) -> str | None:
    for one in {name, notebooks.parts(name)[0]} - before.keys():
        before[one] = text_of(case.program.root / one)
    return before[name]


def _around(case: Case, name: str, files: Files) -> str:
    """Return the text of the other cells of a cell's notebook."""
    root = case.program.root
    others = _cells_beside(name, root)
    return "".join(files.get(one) or text_of(root / one) or "" for one in others)


def _tidy(case: Case, name: str, files: Files, before: Mapping[str, str | None]) -> str:
    """Return a changed file without the imports that it no longer uses; if another file imports it,
    that one may use them.
    """
    old, new = (text.removeprefix(BOM) for text in (before[name] or "", files[name]))
    tidy = imports.without_unused(old, new, _around(case, name, files))
    if tidy == new or _is_imported(case.program.root, name):
        return files[name]
    return files[name].removesuffix(new) + tidy


def _is_imported(root: Path, name: str) -> bool:
    """Whether a Python file below the folder imports the file ``name``, as its text shows."""
    imports_it = re.compile(rf"\b(from|import)\b[^\n]*\b{re.escape(Path(name).stem)}\b")
    for path in itertools.islice(root.rglob("*.py"), MOST_READ):
        if path != root / name and imports_it.search(text_of(path) or ""):
            return True
    return False


def with_calls(causes: Sequence[Cause], change: Fix) -> tuple[Cause, ...]:
    """Return the causes with the calls of libraries that a verified fix changes among their lines:
    what draws later was made there.
    """
    found = []
    for cause in causes:
        known = {(site.file, site.line) for site in cause.sites}
        calls = [
            site
            for source, site in change.calls
            if source == cause.source and (site.file, site.line) not in known
        ]
        found.append(replace(cause, sites=(*calls, *cause.sites)))
    return tuple(found)


def _calls_of_libraries(
    case: Case, ways: Sequence[Way], before: Mapping[str, str | None], files: Files
) -> Iterator[tuple[str, Site]]:
    """Yield the calls that the arguments of libraries change, each with its source."""
    for way in ways:
        if way.library is None:
            continue
        for name in filter(files.__contains__, _names(case, way)):
            text = (before[name] or "").removeprefix(BOM)
            around = "".join(
                before.get(one) or "" for one in _cells_beside(name, case.program.root)
            )
            lines = way.draws(name).keys()
            if libraries.edited(text, way.library, lines, case.unpinned.seed, around) is None:
                continue  # another way has changed this file
            for line, called in libraries.changed_calls(text, way.library, lines, around):
                yield way.source, Site(name, line, "", 0, False, (called,))


def _names(case: Case, way: Way) -> list[str]:
    """Return the files, or the cells, that a way may change."""
    if way.sites and not _is_insertion(way):
        return list(dict.fromkeys(site.file for site in way.sites))
    main = main_file(case)
    return names_of(main, case.program.root) if main else []


def _would_repeat(case: Case, way: Way) -> bool:
    """Whether several processes run a line to which an edit gives a seed, or may run it unseen: all
    of them would draw the same numbers. A seed at the top either does not reach workers, or gives
    them equal numbers.
    """
    if way.edit is not None and _is_insertion(way):
        unseen = case.has_workers and not way.sites
        in_workers = unseen or any(site.in_worker for site in way.sites)
        return in_workers and not way.seeds_workers and "{seed}" in "".join(way.edit.lines)
    gives_seeds = way.edit is None or kind_of(way.edit).gives_seeds
    again = any(site.processes > 1 or site.in_worker for site in way.sites)
    hidden = case.has_workers and any(site.function != "<module>" for site in way.sites)
    return gives_seeds and (again or hidden)


def _cells_beside(name: str, root: Path) -> list[str]:
    """Return the names of the other cells of a cell's notebook."""
    holder, number = notebooks.parts(name)
    return [] if number is None else [one for one in names_of(holder, root) if one != name]


def _edited(place: Place, way: Way) -> str | None:
    if place.text.startswith(BOM):
        edited = _edited(place._replace(text=place.text.removeprefix(BOM)), way)
        return None if edited is None else BOM + edited
    if way.library is not None:
        lines = place.draws.keys()
        return libraries.edited(place.text, way.library, lines, place.seed, place.around)
    assert way.edit is not None
    return kind_of(way.edit).apply(way.edit, place)


def changed_texts(
    case: Case, before: Mapping[str, str | None], files: Files
) -> dict[str, tuple[str, str]]:
    """Return the changed files, before and after; a cell's is its notebook."""
    new = put_back(files, case.program.root, before)
    return {name: (before[name] or "", text) for name, text in new.items()}


def main_file(case: Case) -> str | None:
    """Return the file that the interpreter starts, below the program's root."""
    program = case.program
    if case.started is not None:
        return case.started if (program.root / case.started).is_file() else None
    if program.script is not None and not program.words:
        return str(program.relative(program.script))
    if program.module is None:
        return None
    path = Path(*program.module.split("."))
    package = path / ("__main__.py" if program.function is None else "__init__.py")
    for folder in map(Path, ("", "src")):
        for name in (folder / path.with_suffix(".py"), folder / package):
            if (program.root / name).is_file():
                return str(name)
    return None


def diff(before: Mapping[str, str | None], files: Files) -> str:
    """Return a unified diff that ``patch -p1`` and ``git apply`` accept in the program's folder."""
    parts = []
    for name, text in sorted(files.items()):
        old, new = lines_of(before[name] or ""), lines_of(text)
        parts += difflib.unified_diff(old, new, _named("a/" + name), _named("b/" + name))
    return "".join(
        part if part.endswith("\n") else part + "\n\\ No newline at end of file\n" for part in parts
    )


def _named(path: str) -> str:
    """Return a path as git writes it in a diff: with a tab behind a name that has spaces, where
    ``patch`` would end it, and in quotes if it has control characters.
    """
    if any(ord(one) < 32 for one in path):
        escaped = path.replace("\\", "\\\\").replace('"', '\\"')
        octal = (f"\\{ord(one):03o}" if ord(one) < 32 else one for one in escaped)
        return f'"{"".join(octal)}"'
    return path + "\t" if " " in path else path


def _advice(causes: Sequence[Cause], unwritten: Sequence[str]) -> str:
    by_id = base.script_sources()
    said = [by_id[name].advice for name in unwritten if name in by_id and by_id[name].advice]
    where = [
        f"{site.file}:{site.line}"
        for cause in causes
        if cause.source in unwritten
        for site in cause.sites[:3]
    ]
    return " ".join([*said, *([f"({', '.join(where)})"] if where else [])])
