"""One trial, in a process of its own: pin, unpin, build, train, record."""

import os
import random
import sys
import traceback
from types import ModuleType
from typing import Any, Dict, Tuple

from detaudit_probes import backends, codec, placebos, protocol, sources
from detaudit_probes.declare import CHILD, Pin, Source
from detaudit_probes.given import Unavailable
from detaudit_probes.kit import models, training
from detaudit_probes.ops.catalogue import replay
from detaudit_probes.ops.frameworks import step
from detaudit_probes.recording import facts, trace
from detaudit_probes.trials import recorder
from detaudit_probes.trials.trial import Trial

Declared = Dict[str, Tuple[Source, ModuleType]]


def run(request: protocol.Request, folder: str) -> bool:
    """Run the trial and leave its trace in ``folder``; return whether it completed."""
    writer = trace.TraceWriter(
        folder, request.trial, codec.encode(request), request.fingerprint, request.keep_bytes
    )
    try:
        _train(request, folder, writer)
        outcome: Dict[str, Any] = {"kind": "completed"}
    except Unavailable as reason:
        outcome = {"kind": "unavailable", "reason": str(reason)}
    except BaseException as error:
        # A failure of the trial, of whatever class, is data about the child
        sys.stderr.write(traceback.format_exc())
        outcome = {
            "kind": "failed",
            "type": type(error).__name__,
            "message": str(error)[:2000],
            "where": _where(error),
        }
    writer.finish(outcome)
    return outcome["kind"] == "completed"


def _where(error: BaseException) -> str:
    """Return the innermost frame as ``file:line in function``, with only the last two parts of the
    path.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    frame = frames[-1]
    return "%s:%s in %s" % ("/".join(frame.filename.split(os.sep)[-2:]), frame.lineno, frame.name)


def _train(request: protocol.Request, folder: str, writer: trace.TraceWriter) -> None:
    declared, pins = sources.declared(), sources.pins()
    protocol.check_own_settings(request.settings, declared)
    backend = backends.get(request.backend)
    pinned = {source for pin in request.pins for source in pins[pin][0].sources}
    trial = Trial(request, folder, backend, pinned)
    backend.configure(trial)
    _freshen(trial)
    _check_available(trial, declared)
    _start_counting(trial, declared)
    _provoke(trial, declared)
    _pin(trial, pins)
    if trial.orders.placebo is not None:
        placebos.apply(trial.orders.placebo, trial)
    writer.note("facts", facts.of_environment(backend))
    orders = trial.orders
    recording = recorder.Recorder(writer, backend, orders.record, orders.record_steps)
    if trial.orders.pinpoint is not None:
        recording.pinpoint = step.Pinpoint(recording, trial.orders.pinpoint, request.fingerprint)
        recording.pinpoint.on(request.backend)
    trial.remember_generators()
    backend.count_draws()
    recording.generators("at the start")
    _fit(trial, recording, declared)
    recording.generators("at the end")
    writer.note(
        "evidence",
        {
            name: module.count_uses(trial)
            if hasattr(module, "count_uses")
            else trial.counts.get(name, 0)
            for name, (_, module) in _here(trial, declared).items()
        },
    )
    writer.measure(max_rss=facts.max_rss())
    recording.close()
    if recording.pinpoint is not None:
        recording.pinpoint.leave(folder)


def _here(trial: Trial, declared: Declared) -> Declared:
    """Return the sources that exist on the trial's backend; the functions of others must not be
    called.
    """
    return {name: one for name, one in declared.items() if trial.request.backend in one[0].backends}


def _freshen(trial: Trial) -> None:
    """Reseed what a fork would share with its siblings, as in a new process."""
    import numpy

    random.seed(trial.entropy(32))
    numpy.random.seed(trial.entropy(4))
    trial.backend.freshen(trial.entropy(7))


def _check_available(trial: Trial, declared: Declared) -> None:
    for name in {trial.request.feed, trial.request.procedure} | set(trial.request.unpinned):
        if name is not None and hasattr(declared[name][1], "available"):
            reason = declared[name][1].available(trial)
            if reason:
                raise Unavailable(reason)


def _start_counting(trial: Trial, declared: Declared) -> None:
    for _, module in _here(trial, declared).values():
        if hasattr(module, "start_counting"):
            module.start_counting(trial)


def _provoke(trial: Trial, declared: Declared) -> None:
    for name in trial.request.unpinned:
        if hasattr(declared[name][1], "provoke"):
            declared[name][1].provoke(trial)


def _pin(trial: Trial, pins: Dict[str, Tuple[Pin, ModuleType]]) -> None:
    """Apply the pins in the order of the request: a later seed overrides an earlier, wider one."""
    for name in trial.request.pins:
        pin, module = pins[name]
        if (
            pin.takes_effect == CHILD
            and pin.settings == protocol.NO_SETTINGS
            and hasattr(module, "pin")
        ):
            module.pin(trial)


def _fit(trial: Trial, recording: recorder.Recorder, declared: Declared) -> None:
    request = trial.request
    if request.model == protocol.OPERATIONS:
        replay.run(trial, recording.trace)
        return
    training.set_precision(trial)
    if request.procedure is not None:
        declared[request.procedure][1].train(trial, recording)
        return
    tiny = build(trial, declared)
    if trial.orders.flipped is not None:
        training.flip(tiny, trial.orders.flipped)
    training.compile_model(trial, tiny)
    data = None
    if request.feed is not None:
        data = declared[request.feed][1].feed(trial, tiny.x, tiny.y)
    training.fit(trial, recording, tiny, data=data)
    if trial.orders.evaluate and tiny.test is not None:
        results, predicted = training.tested(tiny)
        recording.results(results, predicted)
    elif trial.orders.evaluate:
        recording.results({"loss": training.evaluate(tiny)})


def build(trial: Trial, declared: Declared) -> models.Tiny:
    """Return the tiny model that the request names, or the source's own."""
    name = trial.request.model
    if name.startswith("source:"):
        return declared[name[len("source:") :]][1].model(trial)
    return models.build(name, trial)
