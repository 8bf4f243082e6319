"""Everything that needs a card, in one call with a bound: started by ``check.sh``, which installs
what it needs.

A part is one command. Each has its own bound in seconds, its own log and, where it audits, its own
JSON report; a part that fails or hangs does not stop the next one. The most valuable parts come
first. What a part leaves of its time goes to those behind it; a part for which no time is left is
skipped, and the summary says so.

OUT gets two files, written anew after every part, so that what is there when the machine is taken
away is whole: ``summary.txt`` (under 100 lines) and ``check.tar.gz`` (logs and reports).
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detaudit.registry import base
from detaudit_probes.backends import EVERY_BACKEND

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "corpus" / "card"
DETAUDIT = (sys.executable, "-m", "detaudit")

GPU, CPU = "gpu", "cpu"
#: With ``--device cpu`` the card's sources are skipped; these are scanned beside them, so that
#: trials are run at all.
ON_A_CPU = {"tensorflow": "sparse-update", "jax": "xla", "torch": "indexing-gradient"}

# Seconds.
MACHINE, SCAN, RUN, LANES = 30.0, 140.0, 90.0, 30.0
LEAST = 8.0  # A part that has less is not begun.
GRACE = 10.0  # From SIGINT, after which a report is written, to SIGKILL.
AT_THE_END = 20.0  # Kept back for the last part, which reads what the check has left of the cards.

MOST_LINES, MOST_COLUMNS = 99, 200
MOST_LINES_OF_A_PART = 12


@dataclass(frozen=True)
class Part:
    """``{budget}`` in ``command`` becomes the seconds that detaudit may take, ``{report}`` the file
    for its JSON.

    ``summarize`` takes that report, or where there is none the log, and returns lines. ``statuses``
    are the exit codes of a part that has shown what it is for.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    summarize: Callable[[Any], list[str]]
    folder: Path = ROOT
    backend: str | None = None
    statuses: tuple[int, ...] = (0,)

    @property
    def reports(self) -> bool:
        return any("{report}" in argument for argument in self.command)


@dataclass
class Result:
    """How a part ended, in words, and what it showed. ``accepted``: it ran to its end, and to some
    result.
    """

    name: str
    ended: str
    accepted: bool = False
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)


def main() -> int:
    options = parse(sys.argv[1:])
    begun = time.monotonic()
    deadline = begun + 60 * options.minutes
    parts = [
        part
        for part in parts_of(options.backends, options.device)
        if not options.only or part.name in options.only
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="check-") as name:
        work = Path(name)
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # a shell's background job inherits SIGINT as ignored
            signal.signal(number, signal.default_int_handler)
        try:
            for part in parts:
                kept_back = 0.0 if part is parts[-1] else AT_THE_END
                results.append(run(part, deadline - kept_back - time.monotonic(), work))
                hand_over(options, results, work)
        except KeyboardInterrupt:
            missing = [part.name for part in parts[len(results) :]]
            results.append(Result(", ".join(missing), "interrupted"))
        hand_over(options, results, work)
    print((options.out / "summary.txt").read_text(encoding="utf-8"))
    return 0 if results and all(result.accepted for result in results) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="check.sh", description="Run everything that needs a card."
    )
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="folder for summary.txt and check.tar.gz"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="bound of the whole check (8)")
    parser.add_argument(
        "--device",
        choices=(GPU, CPU),
        default=GPU,
        help="cpu tries the check itself, without a card",
    )
    parser.add_argument(
        "--backend",
        dest="backends",
        action="append",
        choices=EVERY_BACKEND,
        help="a backend to check, may be repeated (torch and jax)",
    )
    parser.add_argument(
        "--only", metavar="PART", action="append", help="this part only, may be repeated"
    )
    options = parser.parse_args(arguments)
    options.out = options.out.absolute()
    options.backends = options.backends or ["torch", "jax"]
    if options.minutes <= 0:
        parser.error("--minutes must be above 0")
    known = [part.name for part in parts_of(options.backends, options.device)]
    for name in options.only or ():
        if name not in known:
            parser.error(f"no part {name}; there are {', '.join(known)}")
    return options


# The parts ----------------------------------------------------------------------------------------


def parts_of(backends: Sequence[str], device: str) -> list[Part]:
    """All parts, the most valuable for their time first; the last one is always begun."""
    return [
        Part("machine-before", (*DETAUDIT, "machine", "--json"), MACHINE, summarize_machine),
        *(scan(backend, device) for backend in backends),
        script("scattered_gradients", backends[0], device),
        *(lanes(backend, device) for backend in backends),
        *(script("scattered_gradients", backend, device) for backend in backends[1:]),
        script("unseeded", backends[0], device),
        Part("machine-after", (*DETAUDIT, "machine", "--json"), MACHINE, summarize_machine),
    ]


def scan(backend: str, device: str) -> Part:
    """The sources that need one card. A race is tried with five pairs in any case; one pair does
    for the others.
    """
    sources = [
        source.id for source in base.known_sources(backend).values() if source.needs.gpus == 1
    ]
    if device == CPU:
        sources.append(ON_A_CPU[backend])
    only = [word for source in sources for word in ("--only", source)]
    command = (
        *DETAUDIT,
        "scan",
        "--backend",
        backend,
        "--device",
        device,
        *only,
        "--trials",
        "1",
        "--budget",
        "{budget}",
        "--json",
        "{report}",
    )
    return Part(
        f"scan-{backend}",
        command,
        SCAN,
        summarize_scan,
        backend=backend,
        statuses=(0, 1) if device == GPU else (0, 1, 3),
    )


def script(name: str, backend: str, device: str) -> Part:
    """``detaudit run`` of a script of the corpus: a dozen runs end before a cause is named, two
    dozen do not.
    """
    where = (
        ("--device", "cpu") if device == CPU else ("--jobs", "4")
    )  # a large card has room for four
    command = (
        *DETAUDIT,
        "run",
        "--backend",
        backend,
        *where,
        "--pairs",
        "2",
        "--budget",
        "24runs",
        "--no-cost",
        "--json",
        "{report}",
        "train.py",
    )
    return Part(
        f"run-{name}-{backend}", command, RUN, summarize_run, SCRIPTS / name, backend, (0, 1, 3)
    )


def lanes(backend: str, device: str) -> Part:
    """What fingerprints on the card cost."""
    megabytes = "16" if device == CPU else "1024"
    command = (
        sys.executable,
        "-m",
        "tests.bench.lanes",
        backend,
        "--megabytes",
        megabytes,
        "--turns",
        "5",
    )
    return Part(f"lanes-{backend}", command, LANES, summarize_log, backend=backend)


# Running them -------------------------------------------------------------------------------------


def run(part: Part, left: float, work: Path) -> Result:
    """Run one part in at most its own seconds, and at most those that are ``left``."""
    allowed = min(part.seconds, left - GRACE)
    if allowed < LEAST:
        return Result(part.name, f"skipped: {max(left, 0):.0f} s were left")
    report, log = work / f"{part.name}.json", work / f"{part.name}.log"
    words = {"{budget}": f"{0.9 * allowed:.0f}", "{report}": str(report)}
    command = [words.get(argument, argument) for argument in part.command]
    # By default JAX reserves three quarters of a card for one process.
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if part.backend is not None:
        environment["KERAS_BACKEND"] = part.backend
    begun = time.monotonic()
    with open(log, "wb") as file, private_copy(part.folder, work) as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = wait(process, allowed)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    accepted = ended in {f"exit {status}" for status in part.statuses}
    return Result(
        part.name, ended, accepted, time.monotonic() - begun, summarize(part, report, log)
    )


@contextlib.contextmanager
def private_copy(folder: Path, work: Path) -> Iterator[Path]:
    """A script runs in a copy of its folder; everything else runs at the root of the checkout."""
    if folder == ROOT:
        yield folder
        return
    copy = Path(tempfile.mkdtemp(prefix="folder-", dir=work))
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    try:
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def wait(process: subprocess.Popen, seconds: float) -> str:
    """How the process ended, in words; it is interrupted when its time is over, and killed some
    seconds later.
    """
    try:
        return f"exit {process.wait(seconds)}"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return f"interrupted after {seconds:.0f} s, exit {process.wait(GRACE)}"
    except subprocess.TimeoutExpired:
        return f"killed after {seconds + GRACE:.0f} s"


# Observations -------------------------------------------------------------------------------------


def summarize(part: Part, report: Path, log: Path) -> list[str]:
    """What the part showed: of its report, or of its log where it left none."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if part.reports and not report.exists():
        return ["no report; its last words:", *summarize_log(text)]
    try:
        return part.summarize(
            json.loads(report.read_text(encoding="utf-8")) if part.reports else text
        )
    except (ValueError, KeyError, TypeError) as error:
        return [
            f"cannot be read: {type(error).__name__}: {error}; its last words:",
            *summarize_log(text),
        ]


def summarize_log(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()][-4:]


def summarize_machine(text: str) -> list[str]:
    """The cards, by NVML, and the packages that count."""
    described = json.loads(text[text.index("{") :])
    gpus, packages = described["machine"]["gpu"], described["environment"]["packages"]
    names = ("jax", "jaxlib", "torch", "tensorflow", "keras", "numpy")
    lines = [" ".join(f"{name} {packages[name]}" for name in names if name in packages)]
    if gpus["problem"]:
        return [*lines, f"NVML: {gpus['problem']}"]
    lines.append(f"driver {gpus['driver']}, CUDA {gpus['cuda']}")
    return lines + [
        " ".join(f"{name}={value}" for name, value in card.items() if value not in (None, {}, []))
        for card in gpus["cards"]
    ]


def summarize_scan(report: dict[str, Any]) -> list[str]:
    control = report["control"]
    works = None if control is None else control["matches"]
    lines = [
        f"{report['outcome']}: {report['reason']}; {len(report['trials'])} trials; control holds: {works}"
    ]
    for verdict in report["verdicts"]:
        pin = f" [{verdict['pin']}]" if verdict["pin"] else ""
        lines.append(f"{verdict['source']}: {verdict['verdict']}{pin}: {verdict['reason']}")
    return lines + changes(report)


def summarize_run(report: dict[str, Any]) -> list[str]:
    lines = [f"{report['outcome']}: {report['reason']}; {len(report['trials'])} runs"]
    divergence = report["first_divergence"]
    if divergence is not None:
        lines.append(
            f"first: {divergence['stage']} {divergence['name']} in step {divergence['step']}"
        )
    lines += [f"cause: {cause['source']}, pin {cause['pin']}" for cause in report["causes"]]
    if report["fix"] is not None:
        lines.append(f"fix: verified {report['fix']['verified']}")
    elif report["no_fix_reason"]:
        lines.append(f"no fix: {report['no_fix_reason']}")
    return lines + changes(report)


def changes(report: dict[str, Any]) -> list[str]:
    """What NVML saw change on the cards meanwhile."""
    observed = (report["machine"].get("gpu") or {}).get("changes", [])
    return [
        f"card {change['index']}: {change['what']} was {change['before']}, is {change['after']}"
        for change in observed
    ]


def hand_over(options: argparse.Namespace, results: Sequence[Result], work: Path) -> None:
    """Write both files anew."""
    archive, summary = options.out / "check.tar.gz", options.out / "summary.txt"
    with tarfile.open(archive.with_name("check.part"), "w:gz") as packed:
        for path in sorted(work.glob("*.json")) + sorted(work.glob("*.log")):
            packed.add(path, path.name)
    archive.with_name("check.part").replace(archive)
    summary.with_name("summary.part").write_text(text_of(options, results), encoding="utf-8")
    summary.with_name("summary.part").replace(summary)


def text_of(options: argparse.Namespace, results: Sequence[Result]) -> str:
    lines = [
        f"check of {' and '.join(options.backends)}, --device {options.device}, {options.minutes:g} minutes"
    ]
    for result in results:
        lines.append(f"{result.name}: {result.ended}, {result.seconds:.0f} s")
        lines += [f"    {line}"[:MOST_COLUMNS] for line in result.lines[:MOST_LINES_OF_A_PART]]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} lines more"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
