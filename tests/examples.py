"""What pages quote of the reports in docs/examples, and README's picture.

``python -m tests.examples`` draws the picture anew and prints each report as a terminal of 80
columns shows it, to quote from.
"""

import dataclasses
import re
from pathlib import Path

from detaudit.report.formats import svg
from detaudit.report.pages import registry
from detaudit.report.pages.page import Page
from detaudit.report.read import load
from detaudit.report.schema import v1

from tests.pure import golden

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "examples"
PICTURE = ROOT / "docs" / "images" / "scan.svg"
#: ``<!-- output: NAME -->`` above a block of text says which report it is quoted from.
QUOTED = re.compile(r"<!-- output: ([\w-]+) -->\n+```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A line that stands for lines which were left out.
LEFT_OUT = "..."


def report(name: str) -> v1.Document:
    return load(FOLDER / name / "report.json")


def screen(name: str) -> str:
    """What ``detaudit report`` prints at 80 columns."""
    return golden.on_terminal(report(name), height=1000)


def quoted(page: str) -> list[tuple[str, str]]:
    """The name of the report and the text of each quotation of a page."""
    return QUOTED.findall(page)


def missing(quotation: str, shown: str) -> list[str]:
    """The pieces of a quotation that do not stand in what is shown, whole lines in this order."""
    rest, absent = f"\n{shown}", []
    for piece in re.split(rf"^{re.escape(LEFT_OUT)}\n", quotation, flags=re.MULTILINE):
        _, found, after = rest.partition(f"\n{piece}")
        if piece.strip() and found:
            rest = f"\n{after}"
        else:
            absent.append(piece)
    return absent


def answer_and_recipe() -> Page:
    """The part of a scan's page that README shows: all above its table."""
    page = registry.page(report("scan"))
    titles = [type(block).__name__ for block in page.blocks]
    return dataclasses.replace(page, blocks=page.blocks[: titles.index("Table")])


def picture() -> str:
    return svg.draw(answer_and_recipe(), "detaudit scan")


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    for folder in sorted(path.parent for path in FOLDER.glob("*/report.json")):
        print(f"=== {folder.name}\n{screen(folder.name)}")
