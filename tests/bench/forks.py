"""What a forked run of a script costs beside a fresh one: ``python -m tests.bench.forks``, with
scripts of the corpus and ``--turns N`` if wanted.

Scripts are those of the corpus. Fresh and forked runs take turns, alone and two side by side, so
the ratios hold on a machine that does other work as well. Seconds are wall time; processor seconds
are those of the script's process, for a fresh run with its supervisor. The first fork, for which
two nests start, is printed apart.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from tests.bench.corpus import CORPUS
from tests.forks import Audited

SCRIPTS = ("causes/secrets_noise", "causes/hashed_tokens", "clean/stateless_map")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="*", default=SCRIPTS)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    for script in options.scripts:
        print(measured(script, options.turns), flush=True)
    return 0


def measured(script: str, turns: int) -> str:
    with tempfile.TemporaryDirectory(prefix="d-") as place:
        folder = Path(place)
        shutil.copytree(CORPUS / script, folder / "project")
        audit = Audited(folder, (CORPUS / script / "train.py").read_text())
        try:
            audit.fresh()
            began = time.monotonic()
            audit.forked()
            start = time.monotonic() - began
            lines = [f"{script}: two nests and their first runs {start:.1f} s"]
            for runs, title in ((1, "alone"), (2, "side by side")):
                fresh, forked = [], []
                for turn in range(turns):
                    # Even and odd numbers run in different nests
                    first = 10 * runs + 2 * turn
                    fresh.append(timed(audit, audit.fresh, runs, first))
                    forked.append(timed(audit, audit.forked, runs, first))
                assert not audit.forks.note(), audit.forks.note()
                lines.append(f"  {title:12} {compared(fresh, forked, runs)}")
        finally:
            audit.close()
    return "\n".join(lines)


def timed(audit: Audited, run, runs: int, first: int) -> tuple[float, float]:
    """Return wall and processor seconds of some runs."""
    before, began = used(audit), time.monotonic()
    run(runs=runs, first=first)
    return time.monotonic() - began, used(audit) - before


def used(audit: Audited) -> float:
    """Return the processor seconds of all processes that have ended: our children, and those of the
    nests.
    """
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ours.ru_utime + ours.ru_stime
    for process in psutil.Process().children(recursive=True):
        if any("train.py" in word for word in process.cmdline()):
            times = process.cpu_times()
            seconds += times.children_user + times.children_system
    return seconds


def compared(fresh: list, forked: list, runs: int) -> str:
    whole = [median(one[0] for one in some) / runs for some in (fresh, forked)]
    processor = [median(one[1] for one in some) / runs for some in (fresh, forked)]
    return (
        f"{whole[1]:5.2f} s a run, fresh {whole[0]:5.2f} s ({whole[1] / whole[0]:.2f}); "
        f"processor {processor[1]:5.2f} s, fresh {processor[0]:5.2f} s "
        f"({processor[1] / processor[0]:.2f})"
    )


if __name__ == "__main__":
    sys.exit(main())
