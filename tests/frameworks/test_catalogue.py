"""Every entry of the catalogue runs the operation after which it is named, and its gradient what it says it does."""
import pytest
from detaudit_probes.fingerprint import Hasher
from detaudit_probes.ops import catalogue, refusals, replay
from detaudit_probes.ops.watch import Watch, watching

pytestmark = pytest.mark.framework
ENTRIES = {one.name: one for one in catalogue.OPERATIONS}


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def test_names_are_those_of_different_registered_operations(tf):
    assert len(ENTRIES) == len(catalogue.OPERATIONS) >= 150
    assert not [name for name in ENTRIES if not hasattr(tf.raw_ops, name)]


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_executes_its_operation_and_repeats_in_shape(tf, name):
    entry = ENTRIES[name]
    prepared = replay.prepare(tf, entry, entry.dtypes[0])
    watch = Watch(Hasher("blake2b_64"))
    with watching(watch):
        first = prepared.run()
    executed = {event.operation for event in watch.events}
    assert {name, *entry.gradients} <= executed
    second = prepared.run()
    assert [(stage, part, value.shape, value.dtype) for stage, part, value in first] == [
        (stage, part, value.shape, value.dtype) for stage, part, value in second]
    assert any(stage == "gradient" for stage, _, _ in first) == bool(entry.gradients)
    floats = [value for _, _, value in first if value.dtype.is_floating]
    assert all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in floats)
    several = [value.numpy().ravel() for _, _, value in first if len(value.numpy().ravel()) > 1]
    assert not several or any((one != one[0]).any() for one in several)  # all zeros would repeat whatever the order
    if entry.batch:
        alone = prepared.call(prepared.inputs[0][:1], *prepared.inputs[1:])
        assert replay._listed(alone)[0].shape[0] == 1


def test_inputs_are_the_same_each_time_they_are_made(tf):
    for name in ("Conv2D", "ResourceSparseApplyFtrl", "CTCLoss"):
        pair = [replay.prepare(tf, ENTRIES[name], "float32").inputs for _ in range(2)]
        assert all(bool(tf.reduce_all(a == b)) for a, b in zip(*pair, strict=True))


def test_the_librarys_own_messages_are_found_with_the_operations_that_they_mean(tf):
    found = {name: one["message"] for one in refusals.found(tf) for name in one["operations"]}
    for name in ("AdjustContrastv2", "ResizeNearestNeighborGrad", "SparseTensorDenseMatMul", "FusedBatchNormGradV3",
                 "Bincount", "DenseBincount", "CropAndResizeGradImage", "CropAndResizeGradBoxes", "Svd", "Timestamp",
                 "FakeQuantWithMinMaxVarsGradient", "Dilation2DBackpropFilter", "MaxPoolGradWithArgmax", "SegmentSum",
                 "UnsortedSegmentSum", "DepthwiseConv2dNativeBackpropFilter", "DebugNumericSummaryV2"):
        assert "etermin" in found[name], name
    named = {name for one in ENTRIES.values() for name in (one.name, *one.gradients)}
    missing = {name for name in found if name not in named}  # what TensorFlow 1 alone runs, and gradients of gradients
    assert missing <= {"AdjustContrast", "FusedBatchNormGrad", "FusedBatchNormGradV2", "MaxPoolGradGrad", "ScatterAdd",
                       "ScatterSub", "ScatterMul", "ScatterDiv", "ScatterMin", "ScatterMax", "ScatterUpdate"}
