"""Every source injected into every clean script where it can act, each audited and scored.

``python -m tests.bench.injections [--only PATTERN ...] [--shard I/N] [--sample N --seed S] [--out
FILE]``

Like FLiT for compilers: faults are planted one at a time in fault-free scripts, so the named
sources can be compared with the known ones. Resumable: what is in the file is not run again. The
order is a fixed pseudo-random one, so a part of the study is a sample of it. ``--list`` prints the
injections, ``--table`` the file's contents, and ``--check`` runs each injected script twice by
itself, without detaudit, and says whose runs do not differ.
"""

import argparse
import fnmatch
import hashlib
import json
import random
import re
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from tests.bench import corpus, plain
from tests.bench.injected import table
from tests.bench.places import ONE_BY_ONE, PLACES, SET_ALL, Place
from tests.bench.plants import FAMILIES, SWAPS, Family, Swap, Variant

RESULTS = corpus.CORPUS / "injections.jsonl"
MARK = re.compile(r" *#!")
MODULES = {
    "random": "import random",
    "np": "import numpy as np",
    "tf": "import tensorflow as tf",
    "keras": "import keras",
}


class Injection(NamedTuple):
    """A clean script with one source planted: a file's new text, and the lines of it that a user
    would accept.
    """

    name: str
    family: str
    source: str
    script: str
    file: str
    text: str
    lines: tuple[int, ...]
    varies_only: bool
    also: tuple[tuple[str, int], ...] = ()

    def case(self) -> dict[str, Any]:
        """As ``case.json`` says it of the scripts of the corpus."""
        cause = {
            "source": self.source,
            "file": self.file,
            "lines": list(self.lines),
            "also": [list(one) for one in self.also],
            "varies_only": self.varies_only,
        }
        return {**corpus.load(self.script), "causes": [cause]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=["*"], help="names, with * and ?")
    parser.add_argument("--shard", default="1/1", help="I/N: every N-th injection, from the I-th")
    parser.add_argument("--sample", type=int, help="so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    for flag in ("--list", "--table", "--check"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    everything = injections()
    chosen = choose(everything, options.only, options.shard, options.sample, options.seed)
    done = corpus.kept(options.out)
    if options.list:
        print(
            "\n".join(one.name for one in chosen), f"{len(chosen)} of {len(everything)}", sep="\n"
        )
    elif options.table:
        print(table(done, everything))
    elif options.check:
        return check(chosen)
    else:
        study(chosen, done, options.out)
    return 0


def injections() -> list[Injection]:
    """All of them, in the order of the study. Of a family's variants each script takes one, in
    turn.

    What is added or left out later changes neither the others nor the order in which they stand.
    """
    found = []
    scripts = sorted(place.script for place in PLACES)
    for number, family in enumerate(FAMILIES):
        for place in PLACES:
            fitting = [one for one in family.variants if fits(place, family, one)]
            if fitting:
                found.append(
                    planted(
                        place,
                        family,
                        fitting[(scripts.index(place.script) + number) % len(fitting)],
                    )
                )
    found += [swapped(one) for one in SWAPS]
    return sorted(found, key=lambda one: hashlib.sha256(one.name.encode()).digest())


def choose(
    found: list[Injection], only: list[str], shard: str, sample: int | None, seed: int
) -> list[Injection]:
    found = [one for one in found if any(fnmatch.fnmatch(one.name, pattern) for pattern in only)]
    if sample is not None:
        found = random.Random(seed).sample(found, min(sample, len(found)))
    first, _, of = shard.partition("/")
    return found[int(first) - 1 :: int(of)]


# An injected script -------------------------------------------------------------------------------


def fits(place: Place, family: Family, variant: Variant) -> bool:
    forgotten = (
        variant.lose and not variant.body
    )  # then the script's own draws must be the ones to part
    return not any(
        (
            family.name in place.without,
            variant.floats and not place.floats,
            variant.lose == "keras-seed" and not place.seed,
            forgotten and variant.lose not in place.draws,
            variant.fit == "longer" and not place.fit,
            variant.fit == "fed" and not (place.fed and place.floats),
            not variant.unseeded and not place.seed,
        )
    )


def planted(place: Place, family: Family, variant: Variant) -> Injection:
    text = original(place.script, place.file)
    if variant.lose and place.seed:
        text = _seeded(text, place, variant.lose)
    if variant.lose and not variant.body:
        for draw in place.draws[variant.lose]:
            text = _replaced(
                text, draw, draw.partition("\n")[0] + "#!" + "".join(draw.partition("\n")[1:])
            )
    if variant.fit:
        text = _replaced(text, place.fit, _fitted(place, variant.fit))
    if variant.body:
        text = _inserted(text, place, variant.body)
    text = _with_top(text, variant.imports, variant.top)
    return _injection(
        f"{place.script}:{family.name}:{variant.name}",
        family.name,
        family.source,
        place.script,
        place.file,
        text,
        family.varies_only,
    )


def swapped(swap: Swap) -> Injection:
    text = original(swap.script, swap.file)
    for before, after in swap.texts:
        text = _replaced(text, before, after)
    made = _injection(
        f"{swap.script}:{swap.source}:swap-{swap.name}",
        swap.source,
        swap.source,
        swap.script,
        swap.file,
        _with_top(text, swap.imports, ""),
        swap.varies_only,
    )
    return made._replace(
        also=tuple((file, _line(original(swap.script, file), part)) for file, part in swap.also)
    )


def _line(text: str, part: str) -> int:
    (found,) = [number for number, line in enumerate(text.splitlines(), 1) if part in line]
    return found


def original(script: str, file: str) -> str:
    return (corpus.CORPUS / script / file).read_text(encoding="utf-8")


def _injection(
    name: str, family: str, source: str, script: str, file: str, text: str, varies: bool
) -> Injection:
    lines = tuple(number for number, line in enumerate(text.splitlines(), 1) if "#!" in line)
    return Injection(name, family, source, script, file, MARK.sub("", text), lines, varies)


def _replaced(text: str, before: str, after: str) -> str:
    if text.count(before) != 1:
        raise ValueError(f"{before!r} stands there {text.count(before)} times")
    return text.replace(before, after)


def _seeded(text: str, place: Place, lose: str) -> str:
    """The script's seeds without one; or, for Keras' global generator, all of them, and too late
    for it.
    """
    kept = [line for source, line in ONE_BY_ONE.items() if source != lose]
    early = ["keras.random.uniform((1,))  # the device is awake #!"] if lose == "keras-seed" else []
    first = next(
        line
        for line in text.splitlines()
        if place.seeded_by.partition("\n")[0].format(place.seed) in line
    )
    indent = first[: len(first) - len(first.lstrip())]
    before = place.seeded_by.replace("\n", "\n" + indent).format(*[place.seed] * 3)
    after = f"\n{indent}".join([*early, *(line.format(place.seed) for line in kept)])
    return _with_top(
        _replaced(text, before, after),
        tuple(MODULES[line.partition(".")[0]] for line in kept if place.seeded_by == SET_ALL),
        "",
    )


def _fitted(place: Place, how: str) -> str:
    """The call of fit, with a ``PyDataset`` in place of its arrays, or with many epochs and a
    budget of time.
    """
    if how == "fed":
        x, y = place.fed
        call = re.sub(
            rf"fit\(\s*{re.escape(x)},\s*{re.escape(y)}",
            f"fit(Jittered({x}, {y}, workers=4)#!",
            place.fit,
        )
        return re.sub(r",\s*(validation_split|batch_size)=[\d.]+(?=[,)])", "", call)
    call = re.sub(r"epochs=\d+", "epochs=10_000", place.fit)
    if "callbacks=[" in call:
        return call.replace("callbacks=[", "callbacks=[TimeBudget(), ")
    return call[:-1] + ", callbacks=[TimeBudget()])"


def _inserted(text: str, place: Place, body: str) -> str:
    before = next(line for line in text.splitlines(keepends=True) if place.after in line)
    names = [name for name in (place.x, place.y) if name]
    taken = ", ".join(f"{one}[order]" for one in names)
    body = Template(body).substitute(x=place.x, both=", ".join(names), taken=taken)
    indent = before[: len(before) - len(before.lstrip())]
    return _replaced(text, before, before + textwrap.indent(body, indent) + "\n")


def _with_top(text: str, imports: tuple[str, ...], top: str) -> str:
    """Imports that are not there yet, and functions, behind the script's own imports."""
    lines = text.splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines, 1) if re.match(r"(import|from) ", line))
    new = [f"{line}\n" for line in dict.fromkeys(imports) if f"{line}\n" not in lines]
    functions = [f"\n\n{top}\n"] if top else []
    return "".join([*lines[:last], *new, *functions, *lines[last:]])


# The study ----------------------------------------------------------------------------------------


def study(chosen: list[Injection], done: list[dict], out: Path) -> None:
    finished = {one["injection"] for one in done}
    for one in chosen:
        if one.name in finished:
            continue
        found = scored(one)
        corpus.keep(out, found)
        print(
            f"{'right' if found['right'] else 'WRONG'}  {one.name}: {found['found'] or found['verdict']}, "
            f"{found['trials']} runs, {found['seconds']:.0f} s",
            flush=True,
        )


def scored(one: Injection, **choices: Any) -> dict[str, Any]:
    """Audit the injected script in a temporary folder, and compare the result with what was
    planted.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="detaudit-injection-") as parent:
        folder = plain.copy(corpus.CORPUS / one.script, Path(parent), {one.file: one.text})
        report = corpus.audit(folder, one.case(), **choices)
        found = json.loads(json.dumps(corpus.judged(one.case(), report)).replace(parent, "..."))
    return {
        **found,
        "injection": one.name,
        "family": one.family,
        "source": one.source,
        "script": one.script,
        "differing": report["repeats"]["differing"],
        "open": report["unresolved_pins"],
        "product": corpus.product(),
        "sited": sorted(cause["source"] for cause in report["causes"] if cause["sites"]),
        "seconds": round(time.monotonic() - began, 1),
    }


def check(chosen: list[Injection]) -> int:
    """Run each script twice by itself: its runs must differ; or, if it only depends on an order,
    match until that order changes.
    """
    wrong = 0
    for one in chosen:
        with tempfile.TemporaryDirectory(prefix="detaudit-injection-") as parent:
            folder = plain.copy(corpus.CORPUS / one.script, Path(parent), {one.file: one.text})
            said = _acts(one, folder)
        wrong += said != "acts"
        print(f"{said:5}  {one.name}", flush=True)
    return int(bool(wrong))


def _acts(one: Injection, folder: Path) -> str:
    try:
        ends = [plain.end(folder, one.case()) for _ in range(2)]
        if one.varies_only:
            ends[1:] = [] if ends[0] != ends[1] else [plain.end(folder, one.case(), backwards=True)]
    except RuntimeError as failed:
        print(failed, file=sys.stderr, flush=True)
        return "fails"
    return "acts" if len(set(ends)) > 1 else "idle"


if __name__ == "__main__":
    sys.exit(main())
