"""Replays entries of the catalogue: the same call on the same inputs, with bitwise comparison of
the results.

One trial replays several entries. The trace has a table for each entry and dtype, with a row for
each call. If a result has occurred before, only its fingerprint is kept.
"""

import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from detaudit_probes.ops import catalogue, entry, refusals
from detaudit_probes.ops.event import described, first_difference
from detaudit_probes.ops.frameworks import tensorflow
from detaudit_probes.protocol import OperationsReplayed, Raised
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording.trace import Taken, TraceWriter

_clock = time.perf_counter
REPEATS = 10  # calls of an entry by default
CALLS = 3  # calls of a random operation with its defaults
#: The exceptions of a kernel that does not exist for a dtype; under op determinism, the same
#: classes mean a refusal.
REFUSALS = (
    "NotFoundError",
    "InvalidArgumentError",
    "UnimplementedError",
    "TypeError",
    "FailedPreconditionError",
)

Results = List[Tuple[str, str, Any]]  # (stage, name, tensor)


class Prepared(NamedTuple):
    """One entry in one dtype: ``run`` calls it and takes its gradient; ``inputs`` are the
    arguments.
    """

    run: Any
    call: Any
    inputs: Tuple[Any, ...]


def run(trial: Any, writer: TraceWriter) -> None:
    """Replay the entries that the trial's orders name (``operations``, comma-separated;
    ``repeats``; ``dtypes``).

    With ``refusals``, also read the library's own list. With ``unseeded``, call the random ones
    among the entries with their defaults.
    """
    import tensorflow as tf

    orders = trial.orders
    if orders.refusals:
        writer.measure(refusals=refusals.found(tf))
    chosen = orders.operations.split(",")
    dtypes = orders.dtypes.split(",") if orders.dtypes is not None else entry.FLOATS
    replayed = OperationsReplayed({}, {}, {}, {})
    hasher = fingerprint.Hasher(trial.request.fingerprint)
    for one in catalogue.OPERATIONS:
        if one.name not in chosen:
            continue
        for dtype in [dtype for dtype in one.dtypes if dtype in dtypes]:
            name = "%s %s" % (one.name, dtype)
            try:
                if orders.unseeded:
                    _call_unseeded(tf, one, dtype, name, trial.request.seed, writer)
                else:
                    _replay(
                        tf, one, dtype, name, orders.repeats or REPEATS, writer, hasher, replayed
                    )
            except Exception as error:
                # Recorded; the engine decides whether a refusal was expected
                kind = type(error).__name__
                replayed.raised[name] = Raised(kind, str(error)[:1000], kind in REFUSALS)
    writer.measure(operations=replayed)


def _replay(
    tf: Any,
    one: entry.Operation,
    dtype: str,
    name: str,
    repeats: int,
    writer: TraceWriter,
    hasher: fingerprint.Hasher,
    replayed: OperationsReplayed,
) -> None:
    prepared = prepare(tf, one, dtype)
    recorder = tensorflow.OperationRecorder(hasher)
    with tensorflow.recording(recorder):
        prepared.run()
    replayed.executed[name] = tuple(sorted({event.operation for event in recorder.events}))
    writer.once_each(
        "data",
        [
            ("%s input %d" % (name, place), tensor.numpy())
            for place, tensor in enumerate(prepared.inputs)
        ],
    )
    seen, seconds, differing = set(), [], False  # type: Set[int], List[float], bool
    for number in range(repeats):
        began = _clock()
        found = [(stage, part, tensor.numpy()) for stage, part, tensor in prepared.run()]
        seconds.append(_clock() - began)
        taken = writer.take_each([value for _, _, value in found])
        differing = differing or (number > 0 and any(one.fingerprint not in seen for one in taken))
        writer.step(
            name,
            number,
            [
                (stage, part, one if one.fingerprint not in seen else _seen_before(one))
                for (stage, part, _), one in zip(found, taken)
            ],
        )
        seen |= {one.fingerprint for one in taken}
    replayed.seconds[name] = tuple(seconds)
    if one.batch:
        _one_of_the_batch(prepared, name, writer)
    if differing:
        replayed.differing[name] = _operation(prepared, recorder, repeats)


def _call_unseeded(
    tf: Any, one: entry.Operation, dtype: str, name: str, seed: int, writer: TraceWriter
) -> None:
    """Call a random operation with its defaults, ``CALLS`` times after the global seeds have been
    set; one row per call.
    """
    import keras

    if one.unseeded is None:
        return
    call, arguments = one.unseeded(entry.Inputs(tf, dtype))
    keras.utils.set_random_seed(seed)
    for number in range(CALLS):
        results = [
            ("forward", "result %d" % place, each.numpy())
            for place, each in enumerate(_listed(call(*arguments)))
        ]
        taken = writer.take_each([value for _, _, value in results])
        writer.step(
            name, number, [(stage, part, each) for (stage, part, _), each in zip(results, taken)]
        )


def _seen_before(one: Taken) -> Taken:
    return Taken(one.fingerprint, (b"", b""))


def prepare(tf: Any, one: entry.Operation, dtype: str) -> Prepared:
    """Create the inputs and the upstream gradients, which are random because uniform ones hide
    reduction noise.
    """
    inputs = entry.Inputs(tf, dtype)
    call, arguments = one.make(inputs)
    floats = (
        [each for each in arguments if getattr(each, "dtype", tf.int32).is_floating]
        if one.gradients
        else []
    )
    upstream = []  # type: List[Any]

    def run() -> Results:
        if not floats:
            return [
                ("forward", "result %d" % place, each)
                for place, each in enumerate(_listed(call(*arguments)))
            ]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            results = _listed(call(*arguments))
        if not upstream:
            upstream.extend(_random(inputs, each) for each in results)
        gradients = tape.gradient(results, floats, output_gradients=upstream)
        found = [("forward", "result %d" % place, each) for place, each in enumerate(results)]
        return found + [
            ("gradient", "input %d" % place, tf.convert_to_tensor(each))
            for place, each in enumerate(gradients)
            if each is not None
        ]

    run()
    return Prepared(run, call, arguments)


def _listed(results: Any) -> List[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _random(inputs: entry.Inputs, result: Any) -> Any:
    return inputs.tf.cast(inputs.normal(*result.shape), result.dtype)


def _one_of_the_batch(prepared: Prepared, name: str, writer: TraceWriter) -> None:
    """Does the first example of a batch get the same bits in the batch as alone?"""
    first, rest = prepared.inputs[0], prepared.inputs[1:]
    whole, alone = (_listed(prepared.call(one, *rest))[0] for one in (first, first[:1]))
    writer.once_each(
        "forward", [(name + " of the batch", whole[:1].numpy()), (name + " alone", alone.numpy())]
    )


def _operation(
    prepared: Prepared, recorder: tensorflow.OperationRecorder, repeats: int
) -> Optional[Dict[str, Any]]:
    """Return the operation at which replays differ, with every operation observed; None if these
    replays match.
    """
    replays = []
    for _ in range(repeats):
        with tensorflow.recording(recorder):
            prepared.run()
        replays.append(recorder.events)
    difference = first_difference(replays)
    if difference is None:
        return None
    return described(difference)
