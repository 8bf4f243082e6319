"""Twenty sweeps over every operation: is the race found each time, and is any operation reported
that does not differ again?

``python -m tests.bench.sweeps [--sweeps N] [--op NAME ...] [--out FILE]``

Resumable: a line of JSON for each sweep that is done. ``--table`` prints the file's contents.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from detaudit.commands.ops import session

from tests.bench import corpus

RESULTS = corpus.CORPUS / "sweeps.jsonl"
ACCUSED = ("broken", "needs-pin")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=20)
    parser.add_argument("--op", action="append", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    done = corpus.kept(options.out)
    while not options.table and len(done) < options.sweeps:
        done.append(swept(options.op))
        corpus.keep(options.out, done[-1])
        print(f"{len(done)}: {done[-1]['accused']}, {done[-1]['seconds']} s", flush=True)
    print(table(done))
    return 0


def swept(names: list[str]) -> dict:
    began = time.monotonic()
    audit = session.run(
        session.Options(sys.executable, only=tuple(names), cost=False), lambda event: None
    )
    accused = {
        f"{one.name} {one.dtype}": one.verdict for one in audit.operations if one.verdict in ACCUSED
    }
    undecided = [
        f"{one.name} {one.dtype}: {one.reason}"
        for one in audit.operations
        if one.verdict == "error"
    ]
    return {
        "accused": accused,
        "undecided": undecided,
        "entries": len(audit.operations),
        "product": corpus.product(),
        "seconds": round(time.monotonic() - began, 1),
    }


def table(done: list[dict]) -> str:
    """How many sweeps accused what, and what was left undecided."""
    counts = Counter(name for one in done for name in one["accused"])
    rows = [f"| {name} | {number} of {len(done)} |" for name, number in sorted(counts.items())]
    undecided = sum(len(one["undecided"]) for one in done)
    seconds = sorted(one["seconds"] for one in done)
    return "\n".join(
        [
            "| accused | sweeps |",
            "|---|---|",
            *rows,
            "",
            f"{len(done)} sweeps of {done[0]['entries'] if done else 0} entries; {undecided} findings were "
            f"not confirmed; a sweep took {seconds[len(seconds) // 2] if seconds else 0} s (median); "
            f"{len({one['product'] for one in done})} states of detaudit",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
