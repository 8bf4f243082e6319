"""Pages quote what the command prints today, and the pictures show it."""

import html
import re

import pytest

from tests import examples
from tests.pure.test_docs import FENCE, PAGES

QUOTATIONS = [
    (page, name, text) for page, content in PAGES.items() for name, text in examples.quoted(content)
]
SCRIPTS = sorted(path.parent.name for path in examples.FOLDER.glob("*/train.py"))
TAG = re.compile(r"<[^>]+>")


def lines(svg: str) -> list[str]:
    """The text of a picture without its styles, which depend on the version of rich."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    return [html.unescape(TAG.sub("", text)) for text in texts]


def test_the_pages_that_show_an_answer_quote_it():
    assert {page for page, _, _ in QUOTATIONS} >= {
        "README.md",
        "docs/how-to/run.md",
        "docs/how-to/find-the-operation.md",
        "docs/tutorial/first-scan.md",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [pytest.param(name, text, id=f"{page}-{name}") for page, name, text in QUOTATIONS],
)
def test_a_quotation_is_what_the_command_prints_today(name, text):
    assert not examples.missing(text, examples.screen(name))


SHOWN = "NO  Runs differ.\n\nWhere  init\nWhy    a seed\n"


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("NO  Runs differ.\n", []),
        ("Where  init\nWhy    a seed\n", []),
        ("NO  Runs differ.\n...\nWhy    a seed\n", []),
        ("NO  Runs differ.\nWhere  init\n", ["NO  Runs differ.\nWhere  init\n"]),
        ("Why    a seed\n...\nWhere  init\n", ["Where  init\n"]),
        ("Runs differ.\n", ["Runs differ.\n"]),
        ("", [""]),
    ],
)
def test_a_quotation_is_whole_lines_in_their_order(text, absent):
    assert examples.missing(text, SHOWN) == absent


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_shows_the_script_of_its_example(name):
    source = (examples.FOLDER / name / "train.py").read_text("utf-8")
    blocks = [block for page in PAGES.values() for language, block in FENCE.findall(page)]
    assert source in blocks or f"examples/{name}/train.py" in "".join(PAGES.values())


def test_the_picture_is_of_today():
    assert lines(examples.PICTURE.read_text("utf-8")) == lines(examples.picture())
    assert "recipe" in " ".join(lines(examples.picture())).lower()
