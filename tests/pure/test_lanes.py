"""Fingerprints that are computed on a card, by the function that every backend's must match."""

import numpy as np
import pytest
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording import on_device as lanes


@pytest.fixture(params=["float32", "float64", "float16", "int64", "int8", "bool"])
def array(request):
    return (
        np.random.default_rng(1)
        .integers(0, 2 if request.param == "bool" else 100, (40, 25))
        .astype(request.param)
    )


def test_one_changed_bit_anywhere_shows(array):
    words = array.reshape(-1).view("uint8")
    seen = {lanes.of_array(array)}
    for place in range(0, len(words), 7):
        for bit in (0,) if array.dtype == bool else (0, 3, 7):
            words[place] ^= 1 << bit
            seen.add(lanes.of_array(array))
            words[place] ^= 1 << bit
    assert len(seen) == 1 + len(range(0, len(words), 7)) * (1 if array.dtype == bool else 3)


def test_what_sums_would_not_notice_shows():
    """Elements that change places, signs that flip in pairs, a unit that one element gives to
    another.
    """
    rng = np.random.default_rng(2)
    array = rng.standard_normal(5000).astype("float32")
    seen = {lanes.of_array(array)}
    count = 1
    for one, other in rng.integers(0, len(array), (3000, 2)):
        if one == other:
            continue
        swapped, flipped, moved = array.copy(), array.copy(), array.copy()
        swapped[[one, other]] = array[[other, one]]
        flipped[[one, other]] *= -1
        moved.view("int32")[[one, other]] += np.array([1, -1], "int32")
        seen |= {lanes.of_array(changed) for changed in (swapped, flipped, moved)}
        count += 3
    assert len(seen) == count
    # Either lane alone does most of it: neither is a constant, and they are not one and the same.
    assert len({a for a, _ in seen}) > 0.99 * count < len({b for _, b in seen}) / 0.99


@pytest.mark.parametrize("order", ["transposed", "reversed"])
def test_a_permuted_tensor_differs(array, order):
    other = array.T.reshape(array.shape) if order == "transposed" else array[::-1]
    assert lanes.of_array(np.ascontiguousarray(other)) != lanes.of_array(array)


def test_blocks_join_without_a_seam(monkeypatch):
    array = np.arange(1000, dtype="float32")
    whole = lanes.of_array(array)
    monkeypatch.setattr(lanes, "BLOCK", 64)
    assert lanes.of_array(array) == whole


def test_shape_and_dtype_belong_to_what_is_recorded():
    assert lanes.header("float32", (2, 3)) == fingerprint.canonical(np.zeros((2, 3), "float32"))[0]
    assert lanes.header("int64", ()) == fingerprint.canonical(np.int64(3))[0]


class Backend:
    """Arrays whose card is a name in a set."""

    def __init__(self, there):
        self.there = there

    @staticmethod
    def tensor(variable):
        return variable

    @staticmethod
    def dtype_name(value):
        return value.dtype.name

    def on_card(self, value):
        return value.shape[0] in self.there

    @staticmethod
    def lanes(values):
        return [lanes.of_array(value) for value in values]


def test_only_what_lies_on_a_card_is_fingerprinted_there():
    host, card, text = np.zeros(2), np.zeros(3), np.array(["a"] * 3)
    found = lanes.of_variables(Backend({3}), [host, card, text], lambda one: one)
    assert found[0] is host and found[2] is text
    assert isinstance(found[1], lanes.OnCard) and found[1].read() is card
    first = lanes.of_variable(Backend({3}), card, lambda one: one)
    assert (
        first[:2] == found[1][:2] and lanes.of_variable(Backend({3}), host, lambda one: one) is host
    )


def test_a_trace_keeps_the_bytes_of_what_was_fingerprinted_on_a_card(fresh_folder):
    from detaudit.core import trace
    from detaudit_probes.recording.trace import TraceWriter

    array = np.arange(6, dtype="float32").reshape(2, 3)
    (value,) = lanes.of_variables(Backend({2}), [array], lambda one: one)
    marks = []
    for kept in (True, False):
        folder = fresh_folder()
        writer = TraceWriter(str(folder), 1, {}, "xxh3_64", kept)
        writer.step("fit", 0, [("update", "w", value)])
        marks.append(writer.take(value).fingerprint)
        writer.finish({"kind": "completed"})
        (table,) = trace.read(folder).tables
        assert int(table.cells[0, 0]) == marks[-1]
        assert table.record(0, 0) == (("float32", "2,3", array.tobytes()) if kept else None)
    assert marks[0] == marks[1]
