"""No string of any document does harm in any format, whichever field it stands in."""

import ast
import re
import xml.etree.ElementTree as ET
from unicodedata import category

import msgspec
import pytest
from detaudit.report.formats import registry
from detaudit.report.schema import v1

from tests.pure import golden, schema
from tests.pure.test_report_faces import HOSTILE, check_markdown

#: What each of these would do, where one format or another let it.
HARM = (
    "<img src=x onerror=alert(1)> @everyone [x](http://evil.example) #1 www.evil.example",
    "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \u2066x\u2069 \x9b31m \r\b",
    "a | b\n# heading\n```\n</details>\n- item\n[x]: http://evil.example",
    *HOSTILE,
)
#: As many turns as it takes to see each value of what is no text.
TURNS = range(6)


def poisoned(kind: type, text: str, turn: int) -> v1.Document:
    """A document of a kind with ``text`` in every field that takes text."""
    found = schema.filled(kind, text, turn)
    return msgspec.convert(msgspec.to_builtins(found), v1.AnyReport)


def check_xml(text: str) -> None:
    for element in ET.fromstring(text).iter():
        for shown in (element.text or "", *element.attrib.values()):
            assert all(category(one) != "Cc" or one in "\t\n\r" for one in shown)


def check_svg(text: str) -> None:
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert tags <= {"svg", "style", "defs", "clipPath", "rect", "g", "text", "circle"}, tags
    assert all(one == "\n" or one.isprintable() or one == "\xa0" for one in text)


def check_text(text: str) -> None:
    """For a format without markup: whatever is shown, nothing acts."""
    assert all(one == "\n" or one.isprintable() for one in text)


CHECKS = {
    "json": msgspec.json.decode,
    "markdown": check_markdown,
    "junit": check_xml,
    "svg": check_svg,
}


def test_every_format_has_its_check():
    assert set(CHECKS) == set(registry.FORMATS)


@pytest.mark.parametrize("kind", schema.DOCUMENTS)
@pytest.mark.parametrize("text", HARM)
def test_no_string_of_a_document_does_harm_in_any_format(kind, text):
    for turn in TURNS:
        found = poisoned(kind, text, turn)
        for name, check in CHECKS.items():
            check(registry.rendered(found, name))
        for verbose in (False, True):
            shown = golden.on_terminal(found, verbose=verbose)
            assert all(one == "\n" or one.isprintable() for one in shown)
        coloured = golden.on_terminal(found, force_terminal=True, color_system="standard")
        plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
        assert all(one == "\n" or one.isprintable() for one in plain)


def test_a_dtype_is_nothing_but_text():
    """This happened: it was in Markdown unchanged."""
    found = poisoned(v1.OpsReport, HARM[0], 0)
    page = re.sub(r"^```.*?^```$", "", registry.rendered(found, "markdown"), flags=re.S | re.M)
    assert HARM[0] in found.operations[0].dtype and "<img" not in page and "@everyone" not in page


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_every_format_draws_every_report(name):
    for kind, check in CHECKS.items():
        text = registry.rendered(golden.DOCUMENTS[name], kind)
        check(text)
        assert text == registry.rendered(golden.DOCUMENTS[name], kind)


def imported(path) -> set[str]:
    """The modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    found = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    return found | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def test_a_page_knows_no_format_and_the_report_knows_rich_in_formats_alone():
    report = golden.FOLDER.parents[1] / "audit" / "detaudit" / "report"
    for path in report.rglob("*.py"):
        modules = imported(path)
        if path.parent.name != "formats":
            assert not any(one.partition(".")[0] == "rich" for one in modules), path
        if path.parent.name == "pages":
            assert not any(".formats" in one or one.endswith(".escape") for one in modules), path
