"""The documentation says what is so: links lead somewhere, commands parse, pages and tables are up
to date.
"""

import importlib.metadata
import inspect
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from detaudit import errors
from detaudit.cli.app import app
from detaudit.commands.run.conclusion import conclude as conclude_run
from detaudit.commands.run.findings import RunAudit
from detaudit.commands.scan.conclusion import conclude
from detaudit.commands.scan.experiments.unpin import MOST_PAIRS, RACE_PAIRS
from detaudit.commands.scan.findings import Audit, Control
from detaudit.commands.scan.plan import PAIRS
from detaudit.core.condition import Condition
from detaudit.core.counting import SIGNIFICANT, excluded_rate, fisher
from detaudit.core.tally import Tally
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, REPRODUCIBLE, SKIPPED, VARIES, Verdict
from detaudit.execution.variables import environment_for_nests
from detaudit.registry import base, reference
from detaudit.report.formats.registry import FORMATS
from detaudit.report.pages import registry
from detaudit.report.pages import scan as answer
from detaudit.report.pages.page import Lines, Page, Table
from detaudit.report.schema import v1
from detaudit_probes import protocol, sources
from detaudit_probes.placebos import PLACEBOS
from packaging.requirements import Requirement

from tests.pure import golden, retired

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(
        [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), TESTS / "README.md", *TESTS.glob("*/README.md")]
    )
}
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def page(name: str) -> str:
    return PAGES[f"docs/{name}"]


def prose(text: str) -> str:
    """A page without its code, in which a bracket is no link."""
    return re.sub(r"`[^`\n]*`", "`", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str, *title: str) -> list[list[str]]:
    """The cells of the tables under this head."""
    head = f"| {' | '.join(title)} |\n"
    assert head in text, title
    found = []
    for part in text.split(head)[1:]:
        lines = part.split("\n\n")[0].splitlines()[1:]
        found += [[cell.strip() for cell in line.strip().strip("|").split(" |")] for line in lines]
    return found


def test_the_pages_that_readme_names_are_here():
    assert len(PAGES) > 15
    assert {
        "README.md",
        "docs/README.md",
        "docs/reference/sources.md",
        "docs/tutorial/first-scan.md",
    } <= PAGES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name):
    for link in LINK.findall(prose(PAGES[name])):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), (
                f"{name}: {link} has no such heading"
            )


def test_every_page_is_in_the_index():
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(page("README.md"))}
    assert {path for path in DOCS.rglob("*.md") if path != DOCS / "README.md"} <= listed


def commands(text: str) -> list[list[str]]:
    """The arguments of every `detaudit ...` in the code of a page, up to the shell's next word."""
    code = [body for language, body in FENCE.findall(text) if language != "python"]
    code += re.findall(
        r"`([^`\n]+ [^`\n]+ [^`\n]+)`", FENCE.sub("", text)
    )  # two words only name a command
    found = []
    for line in "\n".join(code).splitlines():
        for command in re.findall(r"(?:^|[\s(])(?:[\w./-]+/)?detaudit +([^`]*)", line):
            words = shlex.split(command, comments=True)
            ends = [
                place for place, word in enumerate(words) if word in ("&&", "|", ";", ">", ">>")
            ]
            found.append(words[: min(ends, default=len(words))])
    return found


#: What the examples on the pages call their own.
STAND_FOR = {
    "NAME": "markdown",
    "plain": "markdown",
    "tensorflow_ours": "tensorflow",
    "my-probes": str(ROOT / "tests" / "wire" / "probes"),
}


def parse(arguments: list[str]) -> None:
    """As the command line would, options, values and all, but nothing is run."""
    arguments = [STAND_FOR.get(word, word) for word in arguments]
    root = typer.main.get_command(app)
    try:
        if arguments[0].startswith("-"):
            root.make_context("detaudit", list(arguments))
        else:
            root.commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))
    except typer.Exit as end:  # --version has done its work
        assert end.exit_code == 0


@pytest.mark.parametrize("name", PAGES)
def test_every_command_in_a_page_parses(name, monkeypatch):
    monkeypatch.setenv(protocol.SOURCES_VARIABLE, "")
    for arguments in commands(PAGES[name]):
        parse(arguments)


def test_commands_are_found_and_wrong_ones_do_not_parse():
    text = "`detaudit explain ID` and\n```bash\ncd x && .venv/bin/detaudit scan --quick > out  # detaudit\n```\n"
    assert commands(text) == [["scan", "--quick"], ["explain", "ID"]]
    assert sum(len(commands(text)) for text in PAGES.values()) > 30
    usage = typer.BadParameter.__base__
    for wrong in (["scan", "--nonsense"], ["scan", "--trials", "none"], ["explain"]):
        with pytest.raises(usage):
            parse(wrong)


@pytest.mark.parametrize("name", typer.main.get_command(app).commands)
def test_the_reference_of_a_command_has_its_options_and_defaults(name):
    section = page("reference/commands.md").split(f"\n## detaudit {name}\n")[1].split("\n## ")[0]
    reported = {
        word: default.strip("`")
        for option, _, default in rows(section, "option", "meaning", "default")
        for word in re.findall(r"`([\w-]+)", option)
    }
    expected = {"--help": "off"}
    for one in typer.main.get_command(app).commands[name].params:
        for word in one.opts if one.param_type_name == "option" else [one.metavar.strip("{}")]:
            expected[word] = ABSENT.get(word, "") if shown(one) is None else shown(one)
    assert reported == expected


#: What stands for a default that is None.
ABSENT = {"--trials": str(PAIRS["default"]), "--budget": "none"}


def shown(parameter: object) -> str | None:
    """A parameter's default as the reference tells it."""
    default = parameter.default
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if isinstance(default, bool):
        return "on" if default else "off"
    return (
        f"{default:g}"
        if isinstance(default, int | float)
        else default
        if isinstance(default, str)
        else None
    )


def test_no_pin_promises_what_was_not_tried():
    """Two machines were never compared, and no GPU source has been run on a GPU yet."""
    declared = {
        source.id: (source, module)
        for source, module in sources.declared(sources.SCRIPT_MODULES).values()
    }
    source, module = declared["instruction-set"]
    assert "no pin fixes that" in " ".join(module.__doc__.split())
    assert all("only" in pin.note and "was not tried" in pin.note for pin in source.pins)
    assert all(
        "was not tried" in declared[name][0].advice
        for name in ("instruction-set", "onednn", "tf32")
    )
    not_run = [
        source
        for source, module in declared.values()
        if "has not been run on a GPU yet" in module.__doc__
    ]
    assert {source.id for source in not_run} == {
        source.id for source, _ in declared.values() if source.needs.gpus
    }
    assert all("not run on a GPU yet" in pin.note for source in not_run for pin in source.pins)


def test_generated_pages_are_up_to_date():
    assert page("reference/sources.md") == reference.page(), (
        "python -m detaudit.registry.reference > docs/reference/sources.md"
    )
    assert (DOCS / "reference/report.schema.json").read_bytes() == v1.schema(), (
        "python -m detaudit.report.schema.v1 > ..."
    )


def test_every_source_has_its_entry_and_its_anchor():
    assert {f"### {name}\n" for name in base.known_sources()} <= set(
        re.findall(r"^### .+\n", page("reference/sources.md"), re.MULTILINE)
    )
    assert {reference.anchor(name) for name in base.known_sources()} <= anchors(
        page("reference/sources.md")
    )


def test_readme_installs_in_one_line_and_ci_runs_its_test_line():
    lines = {
        name: re.search(rf"<!-- {name} line -->\n```bash\n(.+)\n```\n", PAGES["README.md"])[1]
        for name in ("scan", "test")
    }
    assert "pip install '.[tensorflow]'" in lines["scan"] and lines["scan"].endswith(
        "detaudit scan --quick"
    )
    assert "tensorflow,test" in lines["test"] and "pytest" in lines["test"]
    extraction = re.search(r"^line=.+$", (ROOT / ".ci/run").read_text(), re.MULTILINE)[0]
    found = subprocess.run(
        ["bash", "-c", f'{extraction}\nprintf %s "$line"'], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stdout == lines["test"]


def audit(*verdicts: str, differing: int = 0, **more: object) -> Audit:
    control = Control(
        (
            Tally(
                Condition("tensorflow", "cpu", "mlp", 1),
                matching=1 - differing,
                differing=differing,
            ),
        )
    )
    return Audit(
        {},
        {},
        {},
        control,
        tuple(Verdict(f"s{i}", one, "") for i, one in enumerate(verdicts)),
        **more,
    )


AUDITS = [
    audit(REPRODUCIBLE, NEEDS_PIN, VARIES, SKIPPED),
    audit(BROKEN, ERROR, interrupted=True),
    audit(differing=1),
    audit(NEEDS_PIN, strict=True),
    audit(VARIES, ERROR, strict=True),
    audit(ERROR),
    audit(over_budget=True),
    audit(SKIPPED, requested=("s0",)),
    audit(ERROR, interrupted=True),
    Audit({}, {}, {}, None),
]


def test_the_exit_codes_are_those_that_are_given():
    table = rows(page("reference/exit-codes.md"), "code", "meaning", "`outcome` in the report")
    fault = conclude_run(
        RunAudit("train.py", {}, None, "a fault of detaudit itself", own_fault=True)
    )
    concluded = {(one.exit_code, one.outcome) for one in (*map(conclude, AUDITS), fault)}
    assert {
        (int(code), word)
        for code, _, reported in table
        for word in re.findall(r"`(\w+)`", reported)
    } == concluded
    for name, one in inspect.getmembers(errors, inspect.isclass):
        assert any(
            f"`{name}`" in meaning and int(code) == one.exit_code for code, meaning, _ in table
        ), name
    assert {int(code) for code, *_ in table} == {code for code, _ in concluded} | {2}


def test_the_figures_of_counting_and_of_races():
    text = page("reference/verdicts.md")
    for pairs, rate in rows(text, "pairs that match", "rate above which it is excluded"):
        assert rate == f"{excluded_rate(int(pairs)):.0%}".replace("%", " %")
    for unpinned, pinned, p, enough in rows(
        text, "unpinned pairs that differ", "pinned pairs that differ", "p", "enough"
    ):
        value = fisher(*map(int, re.findall(r"\d+", f"{unpinned} {pinned}")))
        assert (p, enough) == (f"{value:.3f}", "yes" if value < SIGNIFICANT else "no")
    assert dict(rows(text, "scan", "pairs")) == {
        "`--quick`": str(PAIRS["quick"]),
        "default": str(PAIRS["default"]),
        "`--full`": str(PAIRS["full"]),
        "`--trials N`": "N",
    }
    assert f"at least {RACE_PAIRS} pairs on each side" in text and f"up to {MOST_PAIRS}." in text


def test_every_verdict_and_every_answer_is_reported():
    text = page("reference/verdicts.md")
    assert [row[0] for row in rows(text, "verdict", "what was observed", "what to do")] == [
        f"`{one}`" for one in (REPRODUCIBLE, NEEDS_PIN, VARIES, BROKEN, SKIPPED, ERROR)
    ]
    words = set(re.findall(r'"([A-Z][A-Z ,]+)"', inspect.getsource(answer)))
    assert {"NO", "YES"} < words
    assert {row[0].strip("`") for row in rows(text, "words", "when")} == words


def test_placebos_traces_and_variables_are_reported():
    reported = {
        row[0].strip("`"): row
        for row in rows(
            page("reference/placebos.md"), "id", "the setting", "believed to pin", "the real pin"
        )
    }
    assert reported.keys() == {one.id for one in PLACEBOS}
    assert all(
        f"`{one.claims}`" in reported[one.id][2] and f"`{one.real}`" in reported[one.id][3]
        for one in PLACEBOS
    )
    trace = page("reference/trace.md")
    assert [row[0].strip("`") for row in rows(trace, "stage", "what is observed")] == list(
        protocol.STAGES
    )
    assert all(f"`{one}`" in trace for one in protocol.FINGERPRINTS)
    private, other = environment_for_nests({}, (), "x"), page("how-to/another-environment.md")
    assert {row[0].strip("`") for row in rows(other, "variable", "value", "why")} == {
        *private,
        "KERAS_BACKEND",
    }
    tried = other.split("## What is removed, and tried")[1].split("\n\n")[2]
    assert set(re.findall(r"`(\w+)`", tried)) == base.controlled_variables()


def test_every_dependency_has_its_reason_and_holds_nothing_back():
    tomllib = pytest.importorskip("tomllib", reason="no tomllib before Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = page("explanation/dependencies.md")
    needed = [Requirement(one) for one in project["dependencies"]]
    assert [row[0].strip("`") for row in rows(text, "package", "why", "what it asks for")] == [
        one.name for one in needed
    ]
    assert [
        (row[0].strip("`"), row[1].strip("`")) for row in rows(text, "extra", "package", "why")
    ] == [
        (extra, Requirement(one).name)
        for extra, some in project["optional-dependencies"].items()
        for one in some
    ]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate()]
    for one in needed:
        if not one.specifier.contains(importlib.metadata.version(one.name)):
            pytest.skip(f"the {one.name} installed here is not the one that is asked for: {one}")
    asked, queue = {}, [one.name for one in needed]
    while queue:
        name = queue.pop()
        for one in map(Requirement, importlib.metadata.requires(name) or ()):
            if (one.marker is None or one.marker.evaluate({"extra": ""})) and one.name not in asked:
                asked[one.name] = one
                queue.append(one.name)
    assert "markdown-it-py" in asked
    recent = {
        "numpy": "1.22.0",
        "protobuf": "3.20.0",
        "typing-extensions": "4.5.0",
        "typing_extensions": "4.5.0",
    }
    assert all(
        one.specifier.contains(recent[name]) for name, one in asked.items() if name in recent
    )


def test_every_field_of_a_report_is_explained():
    parts = [kind for kind in vars(v1).values() if isinstance(kind, type)]
    names = {name for kind in parts if issubclass(kind, v1.Part) for name in kind.__struct_fields__}
    assert {"pinpoint", "refusals", "unseeded", "max_abs"} <= names
    assert names <= set(re.findall(r"`([a-z_]+)`", page("reference/report.md")))


def test_every_format_is_in_the_reference():
    options = rows(page("reference/commands.md"), "option", "meaning", "default")
    (meaning,) = [meaning for option, meaning, _ in options if option == "`--format`"]
    assert set(re.findall(r"`(\w+)`", meaning)) == {"terminal", *FORMATS}


#: Labels that hold a number or an id, and columns that everybody reads without a glossary.
_PLAIN = re.compile(r"(?:search|step) \d+|cost of .+|")
_EVERYBODYS = {
    *("dtypes", "here", "in all replays", "layer or variable", "message", "operations", "outcome"),
    *("reason", "side effects", "step time"),
}


def labels(page: Page) -> set[str]:
    """The titles of a page's blocks, of their lines and of their columns."""
    shown = set()
    for block in (*page.blocks, *page.next_steps):
        shown.add(block.title)
        match block:
            case Lines(lines=lines):
                shown.update(line.label for line in lines)
            case Table(columns=columns):
                shown.update(one.title for one in columns if isinstance(one.title, str))
    return {label for label in shown if not _PLAIN.fullmatch(label)} - _EVERYBODYS


def terms() -> set[str]:
    cells = [cell for cell, _ in rows(page("reference/glossary.md"), "word", "meaning")]
    return {word.strip(" `").lower() for cell in cells for word in (cell, *cell.split(","))}


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_the_glossary_defines_what_a_report_prints(name):
    shown = labels(registry.page(golden.DOCUMENTS[name]))
    assert len(shown) > 3
    assert {label.lower() for label in shown} <= terms()


#: Fields, options and outputs of a real audit stand as they are.
CODE = re.compile(r"`[^`\n]*`")


def without_code(text: str) -> str:
    """A page without code; what a command prints, in a fence of ``text``, stays."""
    kept = FENCE.sub(lambda fence: fence[2] if fence[1] == "text" else "", text)
    return CODE.sub("", kept)


@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"docs/reference/sources.md"}))
def test_no_page_has_a_retired_phrase(name):
    assert not retired.found(without_code(PAGES[name]))
