"""What `detaudit run` says of programs whose causes are known, by simulation: ``python -m
tests.bench.evidence``.

It drives the real investigation; only the runs are simulated. A program differs because of one
planted source, at a rate, unless that source is pinned; or at a hidden rate that no pin fixes. The
result counts the sources that the audits name. Seeded: the same call gives the same figures.
"""

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import RunAudit
from detaudit.commands.run.investigate import investigate
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, Outcome
from detaudit.execution.program.program import Program
from detaudit_probes import sources
from detaudit_probes.protocol import Measures

from tests.pure.handmade import Once, Step, written

PINS = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}
SOURCES = tuple(
    source for source, _ in sources.declared(sources.SCRIPT_MODULES).values() if source.script
)
TOUCHED = {source.id: 1 for source in SOURCES}
RATES, HIDDEN = (0.3, 0.6, 1.0), (0.02, 0.05, 0.1)
MOST_AUDITS = 2_000  # of which a pair differs in enough
SCRIPT = "import os\nimport keras\nimport numpy\nrng = numpy.random.default_rng()\n"

Behaviour = Callable[[Trial, random.Random], float]


@dataclass
class Simulation:
    """Audits of made-up programs, in one folder. Runs that end alike share a trace: traces are
    never written to.
    """

    folder: Path
    traces: dict[float, Finished] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "train.py").write_text(SCRIPT)

    def audit(self, behaviour: Behaviour, seed: str) -> tuple[RunAudit, int]:
        """What the investigation finds, and how many runs it takes."""
        numbers, runs = random.Random(seed), {}
        program = Program(self.folder / "train.py", None, (), self.folder, self.folder)
        case = Case(
            program,
            Condition("tensorflow", "auto", "train.py", 1),
            PINS,
            SOURCES,
            sources.SCRIPT_PINS,
            None,
            lambda event: None,
            lambda: None,
            lambda: (),
            cost=False,
            depth="step",
            runs=lambda: len(runs),
        )
        experiment = investigate(case, RunAudit("train.py", {}, None, "not decided"))
        try:
            wanted = next(experiment)
            while True:
                for trial in wanted:
                    if trial not in runs:
                        runs[trial] = self.run(trial, behaviour(trial, numbers))
                wanted = experiment.send({trial: runs[trial] for trial in wanted})
        except StopIteration as end:
            return end.value, len(runs)

    def run(self, trial: Trial, value: float) -> Finished:
        if value not in self.traces:
            acts = [
                Once("init", "kernel", 0.5),
                Step(0, (("loss", "loss", value), ("update", "kernel", value))),
            ]
            folder = self.folder / f"trace-{len(self.traces)}"
            folder.mkdir()
            trace = written(
                folder,
                acts,
                TOUCHED,
                {"final": repr(value)},
                measures=Measures(steps=3, moved=True),
            )
            self.traces[value] = Finished(trial, 1, Outcome(COMPLETED), trace)
        return Finished(trial, 1, Outcome(COMPLETED), self.traces[value].trace)


def planted(pin: str, rate: float) -> Behaviour:
    """Pairs of runs differ at this rate, unless the source is pinned, or the program is fixed."""

    def behave(trial: Trial, numbers: random.Random) -> float:
        fixed = trial.condition.orders.version.startswith("fix")
        if pin in trial.condition.pins or fixed:
            return 0.0
        return _apart(rate, numbers)

    return behave


def hidden(rate: float) -> Behaviour:
    """A run ends on other bits at this rate, whatever is pinned and whatever is varied."""
    return lambda trial, numbers: (
        numbers.choice((1.0, 2.0, 3.0)) if numbers.random() < rate else 0.0
    )


def _apart(rate: float, numbers: random.Random) -> float:
    """The end of a run, so that two of them differ at this rate: one of some ends that are equally
    likely, or, of rates that no number of equal ends gives, a common one and rare ones.
    """
    if rate == 1.0:
        return float(numbers.randrange(1, 400))
    common = (
        1 - rate
    ) ** 0.5  # two runs match where both end on the common bits; rare ends are all different
    return 0.0 if numbers.random() < common else float(numbers.randrange(1, 400))


def hashed(trial: Trial, numbers: random.Random) -> float:
    """``if hash('a') % 8 == 0: y = y + 1``, of which a seed for the hash decides."""
    seeded = dict(trial.condition.environment).get("PYTHONHASHSEED") is not None
    fixed = trial.condition.orders.version.startswith("fix")
    return 0.0 if seeded or fixed else float(numbers.random() < 1 / 8)


def accused(audit: RunAudit) -> set[str]:
    """The sources and settings that an audit names."""
    return (
        {cause.source for cause in audit.causes}
        | {one.source for one in audit.variations if one.matches is False}
        | (
            {"recorder"}
            if audit.observer.bits_unchanged is False or "observer" in audit.unresolved_pins
            else set()
        )
        | set(audit.search.incompatible_pins)
    )


def differing(
    simulation: Simulation, rate: float, audits: int, first: int = 0
) -> Iterator[tuple[str, RunAudit, int]]:
    """Audits of programs with one planted cause, every source by turns, in which a pair
    differed.
    """
    pins = [source.script.pin for source in SOURCES if source.script.pin in sources.SCRIPT_PINS]
    count = 0
    for number in range(first, first + MOST_AUDITS):
        pin = pins[number % len(pins)]
        audit, runs = simulation.audit(planted(pin, rate), f"planted {rate} {number}")
        if audit.reproducible is not True:
            yield pin, audit, runs
            count += 1
        if count == audits:
            return


def right(pin: str, audit: RunAudit) -> bool:
    return [cause.pin for cause in audit.causes] == [pin] and len(accused(audit)) == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=200, help="of each rate")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first one: others are other programs"
    )
    options = parser.parse_args()
    audits, first = options.audits, options.first
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(Path(folder))
        for rate in RATES:
            found = list(differing(simulation, rate, audits, first))
            named = sum(right(pin, audit) for pin, audit, _ in found)
            wrong = [
                accused(audit)
                for pin, audit, _ in found
                if accused(audit) and not right(pin, audit)
            ]
            print(
                f"planted, {rate:.0%} of pairs differ: {named} of {len(found)} name the cause and nothing else, "
                f"{len(wrong)} name another {wrong[:3]}; runs: {_spread([runs for *_, runs in found])}",
                flush=True,
            )
        for rate in HIDDEN:
            results = [
                simulation.audit(hidden(rate), f"hidden {rate} {number}")
                for number in range(first, first + audits)
            ]
            verdicts = Counter(str(audit.reproducible) for audit, _ in results)
            wrong = [accused(audit) for audit, _ in results if accused(audit)]
            print(
                f"hidden, {rate:.0%} of runs: {len(wrong)} of {audits} accuse {wrong}; verdicts {dict(verdicts)}; "
                f"runs: {_spread([runs for _, runs in results])}",
                flush=True,
            )
        results = [
            simulation.audit(hashed, f"hash {number}") for number in range(first, first + audits)
        ]
        said = Counter(
            ", ".join(sorted(accused(audit))) or audit.reason.partition(",")[0]
            for audit, _ in results
        )
        print(f"hash('a') % 8 == 0: {dict(said)}; runs: {_spread([runs for _, runs in results])}")


def _spread(runs: list[int]) -> str:
    ordered = sorted(runs)
    return f"median {ordered[len(ordered) // 2]}, most {ordered[-1]}"


if __name__ == "__main__":
    main()
