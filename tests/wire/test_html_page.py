"""The HTML page in a real browser: headless Chromium (Debian's ``chromium``), under ``--all``."""

import json
import re
import shutil
import socket
import subprocess
import threading
import unicodedata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pypdf
import pytest
from detaudit.report.formats import html, registry
from detaudit.report.pages import registry as registered
from detaudit.report.pages.page import Id, Table, Verdict
from detaudit.report.schema import v1

from tests.pure import golden, schema
from tests.pure.test_formats import HARM, check_html, poisoned
from tests.slow import slow

pytestmark = slow
PAGES = ("report-full", "run-differing", "run-matching", "ops-sweep")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--disable-extensions"),
)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("these tests need Chromium: apt install chromium")
    return found


@pytest.fixture
def browse(chromium, tmp_path):
    """Open a page in Chromium; what it has printed, its log among it."""

    def run(path: Path, *options: str) -> subprocess.CompletedProcess:
        profile = tmp_path / "profile"
        command = [chromium, *QUIET, f"--user-data-dir={profile}", *options, path.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def page(tmp_path):
    def write(name: str) -> Path:
        path = tmp_path / f"{name}.html"
        path.write_text(registry.rendered(golden.DOCUMENTS[name], "html"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def proxy() -> Iterator[tuple[int, list]]:
    """A proxy that answers nobody: its port, and what it was asked for."""
    asked: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            asked.append(connection.recv(200))
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1], asked
    server.close()


def console(ran: subprocess.CompletedProcess) -> list[str]:
    return [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_an_error_and_asks_nobody(name, page, browse, proxy):
    port, asked = proxy
    options = ("--enable-logging=stderr", f"--proxy-server=127.0.0.1:{port}")
    ran = browse(page(name), *options, "--proxy-bypass-list=<-loopback>", "--dump-dom")
    assert golden.DOCUMENTS[name].tool.name in ran.stdout
    assert not console(ran)
    assert not [request for request in asked if b"google" not in request]  # Chromium's own


def test_the_checks_above_can_fail(tmp_path, browse, proxy):
    port, asked = proxy
    path = tmp_path / "bad.html"
    path.write_text(
        "<img src='http://evil.example/x.png'><script>console.error('ran')</script><p>done</p>"
    )
    options = ("--enable-logging=stderr", f"--proxy-server=127.0.0.1:{port}")
    ran = browse(path, *options, "--dump-dom")
    assert console(ran) and any(b"evil.example" in request for request in asked)


@pytest.mark.parametrize("kind", schema.DOCUMENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("text", HARM[:4], ids=range(4))
def test_a_hostile_report_stays_inert(kind, text, tmp_path, browse):
    path = tmp_path / "hostile.html"
    path.write_text(registry.rendered(poisoned(kind, text, 1), "html"), encoding="utf-8")
    ran = browse(path, "--enable-logging=stderr", "--dump-dom")
    check_html(ran.stdout)  # the elements that the browser has made of it
    assert not console(ran)


def test_a_report_of_any_length_makes_a_page_of_two_megabytes(tmp_path):
    found = schema.filled(v1.RunReport, "<&" * 150, 1)
    times = tuple(v1.TrialTime(trial=n, began=n % 977, seconds=30) for n in range(50_000))
    long = msgspec.structs.replace(
        found,
        header=msgspec.structs.replace(found.header, timeline=times),
        warnings=("<&\u0416" * 1300,) * 1000,
        causes=tuple(found.causes[:1]) * 100,
        trials=tuple(msgspec.structs.replace(found.trials[0], number=n) for n in range(50_000)),
        growth=tuple(found.growth[:1]) * 1000,
    )
    text = html.render(long)
    assert html.LIMIT / 2 < len(text.encode()) <= html.LIMIT
    assert "rows left out" in text and "are not drawn" in text


@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious_stands_in_the_way_of_a_screen_reader(name, page, browse, tmp_path):
    """With axe-core, in a copy of the page without its policy."""
    folder = find_spec("axe_core_python")
    assert folder is not None and folder.origin is not None, "pip install axe-core-python"
    axe = Path(folder.origin).parent / "axe.min.js"
    text = page(name).read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    text = text.replace("<details", "<details open")
    shutil.copy(axe, tmp_path / "axe.js")
    script = (
        "<script src='axe.js'></script><script>axe.run().then(found => {"
        "const told = document.createElement('pre'); told.id = 'axe';"
        "told.textContent = JSON.stringify(found.violations.map(v => ["
        "v.id, v.impact, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))]));"
        "document.body.appendChild(told);});</script></body>"
    )
    path = tmp_path / "checked.html"
    path.write_text(text.replace("</body>", script), encoding="utf-8")
    ran = browse(
        path, "--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom"
    )
    (told,) = re.findall(r'<pre id="axe">(.*?)</pre>', ran.stdout, re.S)
    found = json.loads(told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert not [one for one in found if one[1] in ("serious", "critical")], found


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_is_whole(name, page, browse, tmp_path):
    printed = tmp_path / "page.pdf"
    browse(page(name), f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    text = "\n".join(one.extract_text() for one in pypdf.PdfReader(printed).pages)
    words = " ".join(unicodedata.normalize("NFKC", text).split())
    shown = registered.page(golden.DOCUMENTS[name])
    assert shown.answer.verdict in words
    for block in shown.blocks:
        for row in block.rows if isinstance(block, Table) else ():
            assert all(cell.word in words for cell in row.cells if isinstance(cell, Verdict))
            assert all(cell.name in words for cell in row.cells if isinstance(cell, Id))
    assert "Machine and environment" in words  # folded on a screen, and so is the next
    assert name != "run-differing" or "search 1" in words
