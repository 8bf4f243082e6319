"""Traces and trials made by hand: what a child would have left, without a child."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detaudit.core import trace as traces
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, Outcome
from detaudit_probes import codec
from detaudit_probes.contents import formats
from detaudit_probes.protocol import CONTENTS_FILE, PRINTED, Contents, Measures, Request
from detaudit_probes.recording.trace import TraceWriter, write_json


@dataclass(frozen=True)
class Once:
    """Something that happens once."""

    stage: str
    name: str
    value: Any


@dataclass(frozen=True)
class Step:
    """One step of a phase; ``observed`` are (stage, name, value)."""

    number: int
    observed: tuple[tuple[str, str, Any], ...]
    phase: str = "fit 1"


Act = Once | Step
FACTS = {"python": "3.11.7", "cpus": 2}
REQUEST = Request(
    trial=1,
    draw=0,
    seed=1,
    backend="tensorflow",
    device="cpu",
    model="mlp",
    feed=None,
    procedure=None,
    pins=(),
    unpinned=(),
    fingerprint="blake2b_64",
    keep_bytes=True,
    timeout=60.0,
)


def begin(
    folder: Path,
    acts: Iterable[Act],
    algorithm: str = "blake2b_64",
    kept: bool = True,
    facts: dict[str, Any] | None = None,
) -> TraceWriter:
    """A trace that is still being written."""
    writer = TraceWriter(str(folder), 1, codec.encode(REQUEST), algorithm, kept)
    writer.note("facts", FACTS if facts is None else facts)
    for act in acts:
        if isinstance(act, Once):
            writer.once(act.stage, act.name, act.value)
        else:
            writer.step(act.phase, act.number, list(act.observed))
    return writer


def written(
    folder: Path,
    acts: Iterable[Act],
    evidence: dict[str, int] | None = None,
    digests: dict[str, str] | None = None,
    measures: Measures = Measures(),  # noqa: B008 - an immutable value
    **how: Any,
) -> traces.Trace:
    """A trace of ``acts``, completed, and read back."""
    writer = begin(folder, acts, **how)
    writer.measure(**measures._asdict())
    writer.note("evidence", evidence or {})
    writer.note("digests", digests or {})
    writer.finish({"kind": "completed"})
    trace = traces.read(folder)
    assert trace is not None
    return trace


def with_contents(done: Finished, **files: bytes) -> Finished:
    """The finished trial with files that hold these bytes, and are read as the guest does; what was
    printed is ``printed``. A name is that of a file with ``__`` in place of a dot.
    """
    assert done.trace is not None
    read = []
    for word, data in files.items():
        name = PRINTED if word == "printed" else word.replace("__", ".")
        path = done.trace.folder / word
        path.write_bytes(data)
        read.append(formats.read(name, str(path)))
    contents = codec.encode(Contents(tuple(one for one in read if one is not None)))
    write_json(str(done.trace.folder / CONTENTS_FILE), contents)
    return done


def with_measures(done: Finished, **measures: Any) -> Finished:
    """The finished trial with other measures in its trace."""
    assert done.trace is not None
    changed = codec.encode(done.trace.measures._replace(**measures))
    trace = replace(done.trace, document={**done.trace.document, "measures": changed})
    return replace(done, trace=trace)


@dataclass(frozen=True)
class Losses:
    """The loss of each step of a trial. A trial that is ended early makes only its first steps."""

    values: tuple[float, ...]

    def until(self, steps: int | None) -> "Losses":
        return Losses(self.values[:steps])


@dataclass
class Bench:
    """Answers an experiment's trials with hand-made traces, and remembers what it requested.

    ``behave`` says what a trial does: it returns the only value in its trace (equal values: equal
    bits), :class:`Losses`, or an Outcome if the trial did not complete. ``evidence`` is added to
    every trace, and so are ``measures``, which may be a function of the trial; each trial took this
    many ``seconds``.
    """

    folder: Callable[[], Path]
    behave: Callable[[Trial], Any]
    evidence: dict[str, int] = field(default_factory=dict)
    facts: Callable[[Trial], dict[str, Any]] = lambda trial: FACTS
    measures: Measures | Callable[[Trial], Measures] = field(default_factory=Measures)
    seconds: float = 0.0
    asked: list[list[Trial]] = field(default_factory=list)
    answered: dict[Trial, Finished] = field(default_factory=dict)

    def answer(self, trial: Trial) -> Finished:
        if trial not in self.answered:
            self.answered[trial] = self._run(trial, 1 + len(self.answered))
        return self.answered[trial]

    def _run(self, trial: Trial, number: int) -> Finished:
        behaviour = self.behave(trial)
        if isinstance(behaviour, Outcome):
            return Finished(trial, number, behaviour, None)
        acts: list[Act] = []
        measures = self.measures(trial) if callable(self.measures) else self.measures
        if behaviour is not None:
            acts = [Once("rng", "state", trial.draw), Once("init", "kernel", 0.5)]
        if isinstance(behaviour, Losses):
            behaviour = behaviour.until(trial.condition.orders.stop_steps)
            measures = measures._replace(steps=len(behaviour.values))
            values = behaviour.values
        else:
            values = () if behaviour is None else (behaviour,)
        acts += [
            Step(number, (("loss", "loss", value), ("update", "kernel", value)))
            for number, value in enumerate(values)
        ]
        trace = written(
            self.folder(),
            acts,
            self.evidence,
            {} if behaviour is None else {"final": repr(behaviour)},
            facts=self.facts(trial),
            measures=measures,
        )
        return Finished(trial, number, Outcome(COMPLETED, "", self.seconds), trace)

    def drive(self, experiment: Any) -> Any:
        """Run the experiment to its end; its finding."""
        try:
            wanted: Sequence[Trial] = next(experiment)
            while True:
                self.asked.append(list(wanted))
                wanted = experiment.send({trial: self.answer(trial) for trial in wanted})
        except StopIteration as end:
            return end.value

    def conditions(self) -> set[Condition]:
        return {trial.condition for wanted in self.asked for trial in wanted}
