"""No string of any document does harm in any format, whichever field it stands in."""

import ast
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from unicodedata import category

import msgspec
import pytest
from detaudit.cli.output import report_targets
from detaudit.errors import UsageError
from detaudit.report.formats import drawing, html, registry
from detaudit.report.pages import page as pages
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


#: The elements of the template, and of Matplotlib's SVG.
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "section", "p"),
    *("strong", "details", "summary", "span", "code", "pre", "dl", "div", "dt", "dd", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "footer"),
    *("svg", "desc", "g", "path", "defs", "use", "text", "clippath", "rect", "image", "pattern"),
}
#: Where an attribute may point: into the page itself, or at an image that it contains.
INSIDE = re.compile(r"#[\w-]+|data:image/png;base64,[\w+/=\s]+")


class Elements(HTMLParser):
    """Checks every element of a page as it is read, and keeps the names of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag in ELEMENTS, tag
        self.seen.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("href", "xlink:href", "src", "action", "srcset"):
                assert INSIDE.fullmatch(value), value
            if name in ("style", "fill", "stroke", "clip-path"):
                assert value.count("url(") == value.count("url(#"), value


def check_html(text: str) -> None:
    """Nothing in the page runs, loads or links anything."""
    parser = Elements()
    parser.feed(text)
    assert parser.seen[:2] == ["html", "head"] and parser.seen.count("title") >= 1
    assert "default-src 'none'" in text and len(text.encode()) <= html.LIMIT
    for shown in re.sub(r"<style>.*?</style>", "", text, flags=re.S):
        assert shown in "\n" or shown.isprintable()


def check_text(text: str) -> None:
    """For a format without markup: whatever is shown, nothing acts."""
    assert all(one == "\n" or one.isprintable() for one in text)


CHECKS = {
    "json": msgspec.json.decode,
    "markdown": check_markdown,
    "junit": check_xml,
    "svg": check_svg,
    "html": check_html,
}


def test_every_format_has_its_check():
    assert set(CHECKS) == set(registry.FORMATS)


@pytest.mark.parametrize("kind", schema.DOCUMENTS)
@pytest.mark.parametrize("text", HARM)
def test_no_string_of_a_document_does_harm_in_any_format(kind, text, monkeypatch):
    monkeypatch.setattr(html, "_picture", lambda *_: "")  # they take long: see the next test
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


NUMBERS = pages.Table((), ())


def figures(text: str) -> list[pages.Figure]:
    """A figure of each kind, with a text wherever one may stand."""
    shared = {"title": text, "description": text, "remark": text, "numbers": NUMBERS}
    return [
        pages.Curve(((0, 1), (1, 5)), text, text, **shared),
        pages.Heatmap((text, text), ((True, None), (False, True)), (0, 1), 3, text, **shared),
        pages.Bars(
            (pages.Bar(text, 1.0, 0.5, 2.0), pages.Bar(text, 2.0, 2.0, 2.0)), 1.0, text, **shared
        ),
        pages.Dots(
            (pages.Sample(text, (1.0, 1.0, 2.0)), pages.Sample(text, (0.5,))), text, **shared
        ),
        pages.Timeline((pages.Span(0, 2, True), pages.Span(1, 2, False)), **shared),
    ]


@pytest.mark.parametrize("text", HARM)
def test_no_string_does_harm_in_a_figure(text):
    for figure in figures(text):
        drawn = drawing.draw(figure, "figure-1")
        check_html(f"<html><head><title></title></head>default-src 'none'{drawn}</html>")


@pytest.mark.parametrize("figure", figures("name"), ids=lambda figure: type(figure).__name__)
def test_two_figures_of_one_page_share_no_id(figure):
    ids = [set(re.findall(r' id="([^"]+)"', drawing.draw(figure, salt))) for salt in ("one", "two")]
    assert all(ids) and not ids[0] & ids[1]


def test_the_labels_of_a_figure_are_plain_text():
    """They were formulas, which nobody parsed."""
    shared = {"title": "t", "description": "d", "numbers": NUMBERS}
    drawn = drawing.draw(pages.Curve(((0, 3.0), (1, 4e7)), "step", "ULPs", **shared), "a")
    assert "mathdefault" not in drawn and "10\u2074" in drawn and ">0.5<" not in drawn


def test_spans_share_a_lane_only_one_after_another():
    spans = [pages.Span(*times, True) for times in ((0, 2), (0, 1), (1, 3), (2, 4), (2.5, 3))]
    assert drawing.lanes(spans) == [0, 1, 1, 0, 2]


def test_rows_without_room_are_left_out_of_the_longest_blocks():
    assert html.shared_out([[10] * 3, [10] * 100, []], 1000) == [3, 97, 0]
    assert html.shared_out([[10] * 100, [10] * 100], 1000) == [50, 50]
    assert html.shared_out([[2000], [10]], 1000) == [0, 1]
    assert html.shared_out([[10]], 0) == [0]


def test_a_line_to_paste_is_never_cut():
    long = "x" * 2000
    for found in ("html", "markdown"):
        document = golden.DOCUMENTS["run-differing"]
        fix = msgspec.structs.replace(document.fix, environment={"A": long, "B": "';rm -r x;'"})
        text = registry.rendered(msgspec.structs.replace(document, fix=fix), found)
        assert "# A: too long, see the JSON report" in text and long[:400] not in text


def test_without_matplotlib_a_page_has_its_numbers(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.backends.backend_svg", raising=False)
    text = registry.rendered(golden.DOCUMENTS["run-differing"], "html")
    assert "<svg" not in text and "needs Matplotlib" in text and "2,118,497,479" in text


def test_without_jinja2_nothing_begins(monkeypatch, tmp_path):
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs Jinja2: pip install"):
        report_targets(html=tmp_path / "r.html", json=None)
    assert report_targets(html=None, json=tmp_path / "r.json") == {"json": tmp_path / "r.json"}


def test_a_figure_has_a_title_a_description_and_the_colors_of_the_page():
    for figure in figures("name"):
        root = ET.fromstring(drawing.draw(replace(figure, title="T", description="D"), "a"))
        assert [element.text for element in list(root)[:2]] == ["T", "D"]
        assert root.get("aria-labelledby") == "a-title a-description"
        drawn = ET.tostring(root, encoding="unicode")
        assert "var(--ink)" in drawn and "#0" not in drawn.replace("#0000", "").lower()


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
