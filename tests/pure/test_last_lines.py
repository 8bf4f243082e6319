"""What a user sees who sees the last screen alone, and what is worth a row of a table."""

import re
from io import StringIO

import msgspec
import pytest
from detaudit.report.formats import registry, terminal
from detaudit.report.pages import registry as pages
from detaudit.report.pages import wording
from detaudit.report.schema import v1
from rich.console import Console

from tests.pure import golden

DOCUMENTS = golden.documents()


def screen(document, width: int = 80, height: int = 24, verbose: bool = False, **options) -> str:
    console = Console(
        file=StringIO(), width=width, height=height, _environ={}, force_terminal=True, **options
    )
    console.print(registry.on_screen(document, verbose), crop=False)
    return console.file.getvalue()


def plain(document, **how) -> list[str]:
    return screen(document, color_system=None, **how).splitlines()


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("verbose", [False, True])
def test_the_answer_stands_in_the_last_screen(name, verbose):
    """Two lines of it are the prompt's."""
    document = DOCUMENTS[name]
    last = " ".join(" ".join(plain(document, verbose=verbose)[-22:]).split())
    found = pages.page(document).answer
    assert found.verdict in last
    assert " ".join(found.sentence.split())[:200] in last


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_fits_the_screen_is_not_said_twice(name):
    document = DOCUMENTS[name]
    lines = plain(document, height=1000)
    assert sum(line.startswith(f"{pages.page(document).answer.verdict}  ") for line in lines) == 1


def test_what_to_do_stands_in_the_last_screen():
    scan, run = DOCUMENTS["report-full"], DOCUMENTS["run-differing"]
    last = plain(scan)[-22:]
    assert all({line, line.partition("  #")[0]} & set(last) for line in scan.recipe.lines)
    assert any(line.startswith("Also pin") for line in last)
    assert "What to do  save the fix above" in "\n".join(plain(run)[-22:])


def rows(lines: list[str], verdict: str) -> list[int]:
    return [place for place, line in enumerate(lines) if re.match(rf"\S.*\s{verdict}\b", line)]


def test_what_only_this_machine_does_comes_first_and_what_every_machine_does_is_one_row():
    lines = plain(DOCUMENTS["report-full"])
    assert len(rows(lines, "needs-pin")) == 1 and len(rows(lines, "varies")) == 8
    assert rows(lines, "varies")[-1] < rows(lines, "error")[0] < rows(lines, "needs-pin")[0]
    assert wording.ORDER[:2] == ("broken", "varies")
    line = lines[rows(lines, "needs-pin")[0]]
    assert line.startswith("13 sources") and "pinned: 7 by the recipe, 6 by" in line
    verbose = plain(DOCUMENTS["report-full"], verbose=True, width=120)
    assert len(rows(verbose, "needs-pin")) == 13
    markdown = registry.rendered(DOCUMENTS["report-full"], "markdown")
    assert markdown.count("| needs-pin |") == 13 and "13 sources" not in markdown


def test_sources_that_were_asked_for_by_name_have_a_row_each():
    document = DOCUMENTS["report-full"]
    asked = msgspec.structs.replace(document, options={**document.options, "only": ["x"]})
    assert len(rows(plain(asked), "needs-pin")) == 13


@pytest.mark.parametrize(
    ("bounds", "noise", "sentence"),
    [
        ((0.95, 1.13), None, "within noise (0.95x to 1.13x)"),
        ((1.05, 1.13), None, "1.10x (1.05x to 1.13x)"),
        ((1.05, 1.13), (0.9, 1.1), "within noise (1.05x to 1.13x)"),
        ((0.70, 0.80), (0.9, 1.1), "1.10x (0.70x to 0.80x)"),
        ((1.00, 1.20), None, "within noise (1.00x to 1.20x)"),
    ],
)
def test_a_ratio_is_a_cost_only_beyond_noise(bounds, noise, sentence):
    timed = v1.Cost(pins=("a",), base=(), cost=1.1, cost_range=bounds)
    assert wording.cost(timed, noise) == sentence


def test_no_ratio_within_noise_is_printed_for_a_recipe_a_fix_or_an_operation():
    quiet = {"cost": 1.04, "cost_range": (0.93, 1.10)}
    scan, run, ops = (DOCUMENTS[name] for name in ("report-full", "run-differing", "ops-sweep"))
    replace = msgspec.structs.replace
    ladder = tuple(replace(rung, **quiet) if rung.cost else rung for rung in scan.ladder)
    fix = replace(run.fix, **quiet)
    operations = tuple(replace(one, **quiet) for one in ops.operations)
    for document in (
        replace(scan, ladder=ladder),
        replace(run, fix=fix, cost=None),
        replace(ops, operations=operations),
    ):
        for verbose in (False, True):
            assert "1.04" not in "\n".join(plain(document, verbose=verbose))


@pytest.mark.parametrize("verdict", terminal.VERDICTS)
def test_a_verdict_has_one_colour_in_every_report(verdict):
    """In the tables of a scan and of a sweep over operations."""
    scan, ops = DOCUMENTS["report-full"], DOCUMENTS["ops-sweep"]
    first = msgspec.structs.replace(scan.verdicts[0], verdict=verdict)
    operation = msgspec.structs.replace(ops.operations[0], verdict=verdict)
    colours = [
        re.search(rf"\x1b\[([\d;]*)m{verdict}", screen(one, color_system="standard", verbose=True))
        for one in (
            msgspec.structs.replace(scan, verdicts=(first,)),
            msgspec.structs.replace(ops, operations=(operation,)),
        )
    ]
    assert all(colours) and colours[0][1] == colours[1][1]
