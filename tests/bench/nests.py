"""What nests save, and that they hide nothing: ``python -m tests.bench.nests [--depth
quick|default] [--sample N]``.

One run measures both sides: the experiments of a scan over nests, then a seeded sample of the very
same trials, each in a fresh interpreter, one after the other; the whole of those is the sample's
mean times the number of trials. Printed besides is the limit: the trials' own work over the cores,
and the two imports. Where a sampled trial is pinned, every fingerprint of it is compared with that
of the nest's. With ``--verdicts`` every source is judged both ways (long).
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from detaudit.commands.scan import plan, sections
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Match
from detaudit.core.experiment import Asking, Finished
from detaudit.core.tally import compare_finished
from detaudit.core.verdict import Verdict
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.execution.variables import environment_for_nests
from detaudit.registry import base


def main() -> int:
    options = _arguments()
    chosen = plan.choose("tensorflow", options.depth, options.only, (), None)
    condition = base.base_condition("tensorflow", "cpu", 1)
    with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as folder:
        began = time.monotonic()
        nests = _runner(Path(folder) / "nests", fork=True, jobs=options.jobs)
        started = time.monotonic()
        hello = nests.greet(condition)
        imports = time.monotonic() - started
        nests.fingerprint = hello.fingerprints[0]
        verdicts = _scan(nests, chosen, condition, hello.facts)
        took = time.monotonic() - began
        nests.close()
        wrong = _against_fresh(nests, Path(folder) / "fresh", options, took, imports)
        if options.verdicts:
            wrong += _judged_fresh(
                Path(folder) / "judged", options, chosen, condition, hello, verdicts
            )
        return int(wrong > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--depth", choices=(plan.QUICK, plan.DEFAULT, plan.FULL), default=plan.QUICK
    )
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verdicts", action="store_true")
    return parser.parse_args()


def _runner(folder: Path, fork: bool, jobs: int) -> Runner:
    for name in ("keras", "theano", "tmp"):
        (folder / "private" / name).mkdir(parents=True)
    environment = environment_for_nests(
        os.environ, base.controlled_variables(), str(folder / "private")
    )
    return Runner(
        Interpreter(sys.executable, "tensorflow", fork),
        Limits(jobs),
        folder / "control",
        {**environment, "KERAS_BACKEND": "tensorflow"},
    )


def _scan(
    runner: Runner, chosen: plan.Plan, condition: Condition, facts: dict
) -> dict[str, Verdict]:
    """Control, then everything else, as a scan does it; the verdicts by source."""
    parts = sections.parts_of(chosen, condition, {}, facts, 0)
    runner.run([parts.control])
    runner.run(parts.after_control())
    return {
        name: asking.finding for name, asking in parts.sources.items() if asking.finding is not None
    }


def _against_fresh(
    nests: Runner, folder: Path, options: argparse.Namespace, took: float, imports: float
) -> int:
    """Time a sample in fresh interpreters, one after the other, and compare what is pinned."""
    done = [one for one in nests.finished.values() if one.outcome.completed]
    sample = random.Random(1).sample(done, min(options.sample, len(done)))
    fresh = _runner(folder, fork=False, jobs=1)
    fresh.fingerprint = nests.fingerprint
    seconds, differ, compared = [], [], 0
    for one in sample:
        began = time.monotonic()
        again = _one(fresh, one.trial)
        seconds.append(time.monotonic() - began)
        if _pinned(one.trial.condition):
            compared += 1
            if not isinstance(compare_finished(one, again, ignore=_unpinned(one)), Match):
                differ.append(one.number)
    fresh.close()
    own = sum(one.outcome.seconds for one in done)
    whole = mean(seconds) * len(done)
    print(f"{len(done)} trials over nests, {options.jobs} jobs     {took:8.1f} s")
    print(
        f"each in a fresh interpreter, in a row  {whole:8.1f} s  ({len(sample)} sampled, {mean(seconds):.2f} s each)"
    )
    print(f"ratio                                  {took / whole:8.3f}")
    print(
        f"limit: own work / cores + two imports  {own / options.jobs + imports:8.1f} s  ({own:.0f} s of work)"
    )
    print(
        f"pinned trials compared both ways       {compared:8d}    {len(differ)} differ {differ or ''}"
    )
    return len(differ)


def _pinned(condition: Condition) -> bool:
    """Whether every generator and every race of the condition is pinned."""
    return (
        not condition.unpinned
        and "keras-seed" in condition.pins
        and bool({"one-thread", "op-determinism"} & set(condition.pins))
    )


def _one(runner: Runner, trial: Trial) -> Finished:
    def ask():
        found = yield [trial]
        return found[trial]

    asking = Asking(ask())
    runner.run([asking])
    return asking.finding


def _unpinned(one: Finished) -> tuple[str, ...]:
    """A recipe that pins less than everything leaves generators' states that no training drew
    from.
    """
    return () if "python-random" in one.trial.condition.pins else ("rng",)


def _judged_fresh(
    folder: Path,
    options: argparse.Namespace,
    chosen: plan.Plan,
    condition: Condition,
    hello: Hello,
    verdicts: dict[str, Verdict],
) -> int:
    """Judge every source over fresh processes, and count the verdicts that are others."""
    fresh = _runner(folder, fork=False, jobs=options.jobs)
    fresh.fingerprint = hello.fingerprints[0]
    known = base.known_pins("tensorflow")
    asking = [
        Asking(sections.of_source(source, condition, known, {}, hello.facts, 0, chosen.pairs))
        for source in chosen.sources
    ]
    fresh.run(asking)
    fresh.close()
    others = [
        (one.finding.source, verdicts[one.finding.source].verdict, one.finding.verdict)
        for one in asking
        if verdicts[one.finding.source].verdict != one.finding.verdict
    ]
    print(
        f"verdicts judged both ways              {len(asking):8d}    {len(others)} differ {others or ''}"
    )
    return len(others)


if __name__ == "__main__":
    sys.exit(main())
