"""Which lines drew: in trials of their own, after the cause is known. No bits are judged by these."""
import ast
import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.condition import Trial
from detaudit.runner import Finished
from detaudit.script import edits
from detaudit.script.findings import Cause, Site
from detaudit.script.repeat import ask

if TYPE_CHECKING:
    from detaudit.script.investigate import Case

SITES_FILE = "sites.json"
MOST_CANDIDATES = 16  # expressions that are tried one by one

Blaming = Generator[Sequence[Trial], dict[Trial, Finished], tuple[Cause, ...]]


def sites(case: "Case", causes: tuple[Cause, ...]) -> Blaming:
    """The causes with the lines that drew from each."""
    found = []
    for cause in causes:
        script = case.of_pin(cause.pin).script
        assert script is not None
        if script.sites:
            seen, note = yield from _spied(case, causes, cause)
            found.append(replace(cause, sites=seen, note=note))
        elif cause.source == "hash-seed":
            found.append(replace(cause, sites=(yield from _ordered_one_by_one(case, causes, cause))))
        else:
            found.append(cause)
    return tuple(found)


def _spied(case: "Case", causes: Sequence[Cause],
           cause: Cause) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[tuple[Site, ...], str]]:
    """One run with every other cause held, watching this one alone; and a note on the seeds that the script sets."""
    others = [one.pin for one in causes if one is not cause]
    source = case.of_pin(cause.pin)
    trial = Trial(case.held(others).with_options({"spy": source.id, "watch": False}), 0)
    done = (yield [trial])[trial]
    if done.trace is None:
        return (), ""
    path = done.trace.folder / SITES_FILE
    listed = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sites": [], "seeds": []}
    options = done.trace.document["condition"].get("options", {})
    root = Path(options.get("root", case.program.root)).resolve()
    seen = [Site(_relative(one["file"], root), one["line"], one["function"], one["draws"], one["in_user_code"],
                 tuple(one["stack"])) for one in listed["sites"]]
    direct = [one for one in seen if one.in_user_code]
    seen = direct if source.script is not None and source.script.direct else seen
    return tuple(seen), _of_seeds(source.id, listed["seeds"], root)


#: The functions that seed a source.
SEEDED_BY = {
    "python-random": ("random.seed", "keras.utils.set_random_seed"),
    "numpy-legacy": ("numpy.random.seed", "keras.utils.set_random_seed"),
    "tensorflow-seed": ("tensorflow.random.set_seed", "keras.utils.set_random_seed"),
}


def _of_seeds(source: str, seeds: Sequence[dict], root: Path) -> str:
    """A seed that the script sets too late, or for another generator than this one."""
    if source not in SEEDED_BY or not seeds:
        return ""
    told = [f"{one['function']} at {_relative(one['file'], root)}:{one['line']}" for one in seeds[:4]]
    late = [text for text, one in zip(told, seeds, strict=False) if one["function"] in SEEDED_BY[source]
            and one["draws"]]
    if late:
        return f"seeded too late: {late[0]} comes after draws from it"
    if not any(one["function"] in SEEDED_BY[source] for one in seeds):
        return f"the seeds that the script sets do not reach it: {', '.join(told)}"
    return ""


def _relative(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _ordered_one_by_one(case: "Case", causes: Sequence[Cause],
                        cause: Cause) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Site, ...]]:
    """Lines that the hash seed may reach a result by: is one of them, changed in a copy, enough to hold it?"""
    others = [one.pin for one in causes if one is not cause]
    held = case.held(others)
    confirmed = []
    for name, text, expression in _candidates(case)[:MOST_CANDIDATES]:
        version = f"hash {name}:{expression.lineno}:{expression.col_offset}"
        case.program.versions[version] = {name: edits.without_hash_seed(text, [expression])}
        answer = yield from ask(held.with_options({"version": version}), 2)
        if answer.agree:
            confirmed.append(Site(name, expression.lineno, "", 1, True))
    return tuple(confirmed)


def _candidates(case: "Case") -> list[tuple[str, str, ast.expr]]:
    """(file, its text, expression), the script's own file first."""
    root = case.program.root
    files = [path for path in sorted(root.rglob("*.py")) if not _foreign(path.relative_to(root))][:50]
    if case.program.script in files:
        files.remove(case.program.script)
        files.insert(0, case.program.script)
    found = []
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(str(path.relative_to(root)), text, one) for one in edits.hash_ordered(text)]
    return found


def _foreign(path: Path) -> bool:
    return any(part in ("site-packages", "node_modules", "venv") or part.startswith(".") for part in path.parts)
