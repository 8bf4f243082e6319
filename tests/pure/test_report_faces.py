"""What every face of a report must keep to, above all where a document wants to do harm."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO, TextIOWrapper
from unicodedata import category

import msgspec
import pytest
from detaudit.report import escape, read
from detaudit.report.build import scan as build
from detaudit.report.formats import junit, markdown, registry
from detaudit.report.schema import v1
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from tests.pure import example_audits, golden

#: Values from a closed list, and places that the schema keeps clean by itself.
FIXED = {"format", "command", "verdict", "stage", "kind", "judged_by"}

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\link\x1b[0m\x9b31m\x85\r\b\x7f",
    "<script>alert(1)</script></details><img src=x onerror=alert(1)>&lt;b&gt;",
    "[bold red]markup[/] [link=http://evil.example]x[/link] :bomb: [/]",
    "| a | b |\n|---|---|\n# heading\n\n```\n~~~\n- item\n1. one\n> quote\n***\n[x](http://evil.example) ![i](y)",
    "`code` ``more`` $x^2$ **b** __i__ ~~s~~ \\| \\\\| @everyone #1 GH-12 www.evil.example http://evil.example",
    "\u202edlrow\u2066 \u200b\u2028\u2029\ufeff\u0000\ue000\U000e0041 \u0000]]>",
)


def poisoned(value, text, name=""):
    """A document with ``text`` in place of every string that is free."""
    if isinstance(value, dict):
        found = {key: poisoned(one, text, key) for key, one in value.items()}
        return (
            found
            if name not in ("machine", "environment", "options", "notes") or "seed" in found
            else {**found, text[: v1.NAME]: [text]}
            if name != "environment" or "python" in found
            else found
        )
    if isinstance(value, list):
        return [poisoned(one, text, name) for one in value]
    return text[: v1.NAME] if isinstance(value, str) and name not in FIXED else value


def poisoned_report(text: str, name: str = "full") -> v1.Report:
    document = json.loads(golden.rendered(f"report-{name}.json"))
    found = {**poisoned(document, text), "outcome": document["outcome"]}
    return read.decode(json.dumps(found).encode(), "poisoned.json")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        assert not attributes, (tag, attributes)


def check_markdown(page: str) -> None:
    """A page has no tag but those of folds, no link, no mention, and no heading but its own."""
    rules = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    opened = closed = 0
    for token in rules.parse(page):
        assert token.type not in ("code_block", "blockquote_open", "hr", "ordered_list_open")
        assert token.type != "heading_open" or token.tag == "h3"
        if token.type == "html_block":
            tags = Tags()
            tags.feed(token.content)
            assert set(tags.found) <= {"details", "summary"}, token.content
            assert not re.search(r"@\w|#\d|://|www\.", token.content), token.content
            opened, closed = (
                opened + tags.found.count("details"),
                closed + token.content.count("</details>"),
            )
        for inner in token.children or ():
            kinds = ("text", "softbreak", "code_inline", "strong_open", "strong_close")
            assert inner.type in kinds, inner
            harmless = inner.type == "code_inline" or not re.search(
                r"@\w|#\d|://|www\.", inner.content
            )
            assert harmless, inner.content
    assert opened == closed > 0
    assert all(one == "\n" or one.isprintable() or one == "\u200b" for one in page)


texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "|",
                "`",
                "\\",
                "<",
                ">",
                "\n",
                "\x1b[1m",
                "@a",
                "#1",
                "*",
                "_",
                "[",
                "](",
                ")",
                "&#60;",
                "://",
                " ",
            ]
        ),
        max_size=25,
    ).map("".join),
)


@settings(max_examples=25, deadline=None)
@given(texts.filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_no_string_reaches_the_terminal_raw(text):
    shown = golden.on_terminal(poisoned_report(text), verbose=True)
    assert all(one == "\n" or one.isprintable() for one in shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_with_colours_gets_only_the_sequences_of_its_own_styles(text):
    shown = golden.on_terminal(poisoned_report(text), force_terminal=True, color_system="standard")
    assert all(one == "\n" or one.isprintable() for one in re.sub(r"\x1b\[[\d;]*m", "", shown))
    assert "http://evil.example" not in re.findall(r"\x1b\]8;[^\x1b]*", shown)


def test_markup_of_a_document_is_shown_and_not_obeyed():
    assert "[bold red]markup[/]" in golden.on_terminal(poisoned_report(HOSTILE[2]))


@settings(max_examples=25, deadline=None)
@given(texts.filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_markdown_holds_nothing_but_text_from_outside(text):
    page = markdown.render(poisoned_report(text))
    assert len(page) < markdown.LIMIT
    check_markdown(page)
    assert page.count("<details>") > 5


def test_markdown_tables_keep_their_columns():
    page = markdown.render(poisoned_report(HOSTILE[4]))
    sources = page.partition("| source | verdict |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(sources) == 31 and {
        len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in sources
    } == {5}


def huge() -> v1.Report:
    """Many times the verdicts, placebos and failed trials, each with the longest strings."""
    found = golden.report("full")
    long = "\u202e<b>|`\\*_" * (v1.TEXT // 8)
    verdicts = (
        tuple(msgspec.structs.replace(one, reason=long, title=long) for one in found.verdicts) * 4
    )
    trials = (
        tuple(msgspec.structs.replace(one, outcome="failed", reason=long) for one in found.trials)
        * 30
    )
    recipe = msgspec.structs.replace(
        found.recipe, lines=("`\u202e" * (v1.LINE // 2),) * 100, reason=long, title=long
    )
    return msgspec.structs.replace(
        found,
        verdicts=verdicts,
        trials=trials,
        recipe=recipe,
        warnings=(long,) * 300,
        placebos=found.placebos * 60,
        machine={f"{number} {long[:200]}": long for number in range(300)},
    )


def test_markdown_of_a_huge_report_stays_below_the_limit_and_says_what_is_missing():
    page = markdown.render(huge())
    assert 30_000 < len(page) < 60_000
    assert re.search(r"[\d,]+ more in the JSON report", page) and page.startswith(
        "### detaudit scan"
    )
    assert (
        page.count("<details>") == page.count("</details>")
        and "exit code 3" in page.splitlines()[-1]
    )
    assert len(page.partition("| source |")[2]) > 0, "the table of sources is there"


def test_other_faces_draw_a_huge_report_too():
    found = huge()
    assert len(ET.fromstring(junit.render(found)).findall(".//testcase")) == 2 + 31 * 4
    assert golden.on_terminal(found, verbose=True).count("\n") > 300


@settings(max_examples=25, deadline=None)
@given(texts.filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_junit_is_xml_whatever_the_document_holds(text):
    root = ET.fromstring(junit.render(poisoned_report(text)))
    cases = root.findall(".//testcase")
    assert len(cases) == 2 + 31
    for one in root.iter():
        for shown in (one.text or "", *one.attrib.values()):
            assert all(category(letter) != "Cc" or letter in "\t\n\r" for letter in shown)


def cases(found: v1.Report) -> dict[str, str]:
    """Each test case with how it ended."""
    root = ET.fromstring(junit.render(found))
    ends = {
        case.get("name"): next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in root.iter("testcase")
    }
    suite = root.find("testsuite")
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute)) == list(ends.values()).count(tag)
    return ends


def test_junit_ends():
    ends = cases(golden.report("full"))
    assert (ends["control"], ends["replicas"], ends["cudnn"]) == ("passed", "error", "skipped")
    assert (ends["python-random"], ends["onednn"], ends["load"]) == ("passed", "passed", "passed")
    assert cases(golden.report("broken")) == {"outcome": "failure", "control": "failure"}


def test_junit_ends_of_a_strict_scan():
    strict = build.document(
        replace(example_audits.full(), strict=True),
        declared=example_audits.declared(),
        private=example_audits.PRIVATE,
    )
    ends = cases(strict)
    assert (ends["python-random"], ends["onednn"], ends["load"]) == ("failure", "failure", "passed")
    assert cases(golden.report("single"))["load"] == "failure"


def test_junit_of_a_scan_without_control_is_an_error():
    found = build.document(
        replace(example_audits.full(), control=None),
        declared=example_audits.declared(),
        private=example_audits.PRIVATE,
    )
    assert cases(found)["control"] == "error"


@pytest.mark.parametrize("width", [20, 30, 40])
@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_a_narrow_terminal_breaks_long_words_and_takes_nothing_away(name, width):
    """This happened: the name of an operation, and the file for --resume, ended in dots at 40
    columns.
    """
    found = golden.DOCUMENTS[name]
    wide = golden.on_terminal(found, 1000).count("\u2026")
    assert golden.on_terminal(found, width).count("\u2026") == wide


@pytest.mark.parametrize("width", [40, 80, 120])
def test_terminal_lines_keep_within_the_width_but_for_lines_to_paste(width):
    found = golden.report("full")
    fixes = [one.fix for one in found.verdicts if one.fix]
    paste = {line for one in fixes for line in (*one.lines, *escape.exports(one.environment))}
    paste |= {line.partition("  #")[0] for line in (*paste, *found.recipe.lines)}
    for line in golden.on_terminal(found, width, verbose=True).splitlines():
        assert len(line) <= width or line in paste or line.startswith("# "), line
        assert line == line.rstrip()


def test_lines_to_paste_are_whole_in_a_narrow_terminal():
    shown = golden.on_terminal(golden.report("full"), 40).splitlines()
    at = shown.index("keras.utils.set_random_seed(1)")
    assert shown[at - 1] == "# first, before anything else"
    assert "files = sorted(glob.glob(pattern))" in shown


def test_shell_lines_and_script_lines_say_where_each_goes():
    found = golden.report("full")
    both = msgspec.structs.replace(
        found.recipe, environment={"PYTHONHASHSEED": "0", "A": "two words"}
    )
    lines = golden.on_terminal(msgspec.structs.replace(found, recipe=both)).splitlines()
    assert lines[2:7] == [
        "# in the shell, before Python starts",
        "export A='two words'",
        "export PYTHONHASHSEED=0",
        "",
        "# at the top of the script",
    ]


def test_pipe_gets_no_escape_sequence_and_no_colour_is_honoured():
    found = golden.report("full")
    assert "\x1b" not in golden.on_terminal(found, verbose=True)
    plain = golden.on_terminal(found, force_terminal=True, no_color=True, color_system="standard")
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", plain) and "\x1b[1m" in plain


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_terminal_without_unicode_gets_plain_signs(name):
    file = TextIOWrapper(BytesIO(), encoding="ascii")
    page = registry.on_screen(golden.DOCUMENTS[name], True)
    Console(file=file, width=80, _environ={}).print(page, crop=False)
    file.flush()
    shown = file.buffer.getvalue().decode("ascii")
    assert "\\u" not in shown and "\\x" not in shown
    assert name != "report-full" or "1 thread != 2 threads" in shown


def test_the_answer_stands_first():
    lines = golden.on_terminal(golden.report("full"), 100).splitlines()
    assert lines[0] == "YES, ONCE PINNED  Training is bitwise reproducible here with these lines:"
    assert lines[2:6] == list(golden.report("full").recipe.lines)
    assert "safe" not in golden.on_terminal(golden.report("full"), verbose=True).lower()
