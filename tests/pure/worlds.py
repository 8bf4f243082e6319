"""Worlds for ``detaudit run``: made-up programs, each investigated without starting a process."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import RunAudit
from detaudit.commands.run.investigate import investigate
from detaudit.core.condition import Condition
from detaudit.core.outcome import FAILED, Outcome
from detaudit.execution.program.forks import NO_FORKS
from detaudit.execution.program.program import Program
from detaudit_probes import sources
from detaudit_probes.protocol import NO_ORDERS, Measures

from tests.pure.handmade import Bench

PINS = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}
SOURCES = tuple(
    source for source, _ in sources.declared(sources.SCRIPT_MODULES).values() if source.script
)
SCRIPT = "import os\nimport keras\nimport numpy\nrng = numpy.random.default_rng()\nfor x in {1, 2}: pass\n"
MEASURES = Measures(steps=3, moved=True)
TOUCHED = {source.id: 1 for source in SOURCES}


def world_in(tmp_path: Path, fresh_folder: Callable[[], Path]) -> Callable[..., Any]:
    """Return a function that investigates a world; ``needed`` names the pins with which runs
    match.
    """
    (tmp_path / "train.py").write_text(SCRIPT)
    numbers = itertools.count()

    def investigated(
        *needed,
        fixable=True,
        broken=(),
        behave=None,
        measures=None,
        evidence=None,
        changed=(),
        sites=None,
        cost=False,
        seconds=0.0,
        pairs=None,
        search=True,
        orders=NO_ORDERS,
        alone=None,
        asking=lambda wanted: None,
        written=None,
        emit=lambda event: None,
        spent=0.0,
        forks=NO_FORKS,
        known_so_far=lambda audit: None,
    ):
        program = Program(tmp_path / "train.py", None, (), tmp_path, tmp_path)
        unpinned = Condition("tensorflow", "auto", "train.py", 1, orders=orders)
        alone = [] if alone is None else alone

        def usual(trial):
            pinned = set(trial.condition.pins)
            if pinned & set(broken):
                return Outcome(FAILED, "exited with status 1: UnimplementedError")
            if set(needed) <= pinned or (
                trial.condition.orders.version.startswith("fix") and fixable
            ):
                return 1.0
            return float(next(numbers))

        bench = Bench(
            fresh_folder,
            behave or usual,
            TOUCHED if evidence is None else evidence,
            measures=MEASURES if measures is None else measures,
            seconds=seconds,
        )
        answer = bench._run

        def answered(trial, number):
            done = answer(trial, number)
            if sites is not None and trial.condition.orders.spy:
                (done.trace.folder / "sites.json").write_text(json.dumps(sites))
            if written is not None and done.trace is not None:
                (done.trace.folder / "written.json").write_text(json.dumps(written(trial)))
            return done

        def announced(experiment):
            wanted = next(experiment)
            while True:
                asking(wanted)
                try:
                    wanted = experiment.send((yield wanted))
                except StopIteration as end:
                    return end.value

        bench._run = answered
        case = Case(
            program,
            unpinned,
            PINS,
            SOURCES,
            sources.SCRIPT_PINS,
            pairs,
            emit,
            lambda: alone.append(1),
            lambda: tuple(changed),
            cost=cost,
            search=search,
            spent=lambda: spent,
            forks=forks,
            known_so_far=known_so_far,
        )
        found = bench.drive(
            announced(investigate(case, RunAudit("train.py", {}, None, "not decided")))
        )
        found_bench = bench
        return found, found_bench, alone

    return investigated


def causes(audit: RunAudit) -> dict[str, bool | None]:
    return {one.source: one.necessary for one in audit.causes}
