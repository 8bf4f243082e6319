"""Every entry of the catalogue runs the operation after which it is named, and its gradient what it
says it does.
"""

from collections import Counter

import numpy
import pytest
from detaudit_probes.ops import catalogue, refusals
from detaudit_probes.ops.catalogue import replay
from detaudit_probes.ops.entry import Inputs
from detaudit_probes.ops.frameworks.tensorflow import OperationRecorder, recording
from detaudit_probes.recording.fingerprint import Hasher

pytestmark = pytest.mark.framework
ENTRIES = {one.name: one for one in catalogue.OPERATIONS}


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def test_names_are_those_of_different_registered_operations(tf):
    assert len(ENTRIES) == len(catalogue.OPERATIONS) >= 190
    assert not [name for name in ENTRIES if not hasattr(tf.raw_ops, name)]


def executed(run):
    """What it gives, and how often each operation was executed."""
    recorder = OperationRecorder(Hasher("blake2b_64"))
    with recording(recorder):
        given = run()
    return given, Counter(event.operation for event in recorder.events)


def tells_something(tf, found):
    """Results that are finite, and of each stage one of which elements differ: constants repeat
    whatever the order.
    """
    for _, _, value in found:
        assert not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))
    for stage in {stage for stage, _, _ in found}:
        values = [value.numpy().ravel() for where, _, value in found if where == stage]
        several = [value for value in values if len(value) > 1]
        assert not several or any((one != one[0]).any() for one in several)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_executes_its_operation_and_repeats_in_shape(tf, name):
    entry = ENTRIES[name]
    prepared = replay.prepare(tf, entry, entry.dtypes[0])
    _, forward = executed(lambda: prepared.call(*prepared.inputs))
    first, both = executed(prepared.run)
    assert set(entry.gradients) <= set(both - forward)
    assert name in forward or name in entry.gradients  # an operation that only a gradient runs
    second = prepared.run()
    assert [(stage, part, value.shape, value.dtype) for stage, part, value in first] == [
        (stage, part, value.shape, value.dtype) for stage, part, value in second
    ]
    assert any(stage == "gradient" for stage, _, _ in first) == bool(entry.gradients)
    tells_something(tf, first)
    if entry.batch:
        whole, alone = (
            replay._listed(prepared.call(one, *prepared.inputs[1:]))[0]
            for one in (prepared.inputs[0], prepared.inputs[0][:1])
        )
        numpy.testing.assert_allclose(whole[:1].numpy(), alone.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [name for name, one in ENTRIES.items() if len(one.dtypes) > 1])
def test_lower_precisions_work_or_have_no_kernel(tf, name):
    entry, works = ENTRIES[name], 0
    for dtype in entry.dtypes[1:]:
        try:
            prepared = replay.prepare(tf, entry, dtype)
        except Exception as error:
            assert type(error).__name__ in replay.REFUSALS, error
        else:
            tells_something(tf, prepared.run())
            works += 1
    assert works  # or it should list float32 alone


def test_what_takes_a_seed_is_called_without_it_too(tf):
    """The operation that is named has a seed among its attributes, and by default a user gives
    none.
    """
    from tensorflow.python.framework import op_def_registry

    taking = {
        name
        for name in ENTRIES
        if any(one.name == "seed" for one in op_def_registry.get(name).attr)
    }
    assert {"FractionalMaxPool", "RandomUniform", "Multinomial"} <= taking
    assert taking == {name for name, one in ENTRIES.items() if one.unseeded is not None}
    for name in sorted(taking):
        call, arguments = ENTRIES[name].unseeded(Inputs(tf, "float32"))
        _, ran = executed(lambda call=call, arguments=arguments: call(*arguments))
        assert name in ran


def test_inputs_are_the_same_each_time_they_are_made(tf):
    for name in ("Conv2D", "ResourceSparseApplyFtrl", "CTCLoss"):
        pair = [replay.prepare(tf, ENTRIES[name], "float32").inputs for _ in range(2)]
        assert all(bool(tf.reduce_all(a == b)) for a, b in zip(*pair, strict=True))


def test_the_librarys_own_messages_are_found_with_the_operations_that_they_mean(tf):
    found = {name: refused.message for refused in refusals.found(tf) for name in refused.operations}
    for name in (
        "AdjustContrastv2",
        "ResizeNearestNeighborGrad",
        "SparseTensorDenseMatMul",
        "FusedBatchNormGradV3",
        "Bincount",
        "DenseBincount",
        "CropAndResizeGradImage",
        "CropAndResizeGradBoxes",
        "Svd",
        "Timestamp",
        "FakeQuantWithMinMaxVarsGradient",
        "Dilation2DBackpropFilter",
        "MaxPoolGradWithArgmax",
        "SegmentSum",
        "UnsortedSegmentSum",
        "DepthwiseConv2dNativeBackpropFilter",
        "DebugNumericSummaryV2",
    ):
        assert "etermin" in found[name], name
    named = {name for one in ENTRIES.values() for name in (one.name, *one.gradients)}
    missing = {
        name for name in found if name not in named
    }  # what TensorFlow 1 alone runs, and gradients of gradients
    assert missing <= {
        "AdjustContrast",
        "FusedBatchNormGrad",
        "FusedBatchNormGradV2",
        "MaxPoolGradGrad",
        "ScatterAdd",
        "ScatterSub",
        "ScatterMul",
        "ScatterDiv",
        "ScatterMin",
        "ScatterMax",
        "ScatterUpdate",
    }
