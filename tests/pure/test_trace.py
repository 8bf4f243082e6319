"""A trace written and read back: every bit of it, also where its writer was killed."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from detaudit.core import trace as traces
from detaudit_probes import protocol
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording import thread_team as team_module
from detaudit_probes.recording.thread_team import Team
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.pure.handmade import REQUEST, Once, Step, begin, written

DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint16", "bool", "complex64"]
SHAPES = arrays.array_shapes(min_dims=0, min_side=0)
TENSORS = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, SHAPES))


def read(folder: Path) -> traces.Trace:
    trace = traces.read(folder)
    assert trace is not None
    return trace


def table(trace: traces.Trace, name: str) -> traces.Table:
    return next(one for one in trace.tables if one.name == name)


@pytest.mark.parametrize("algorithm", fingerprint.available())
@given(st.lists(TENSORS, min_size=1, max_size=4))
def test_what_happens_once_is_read_back_bit_for_bit(fresh_folder, algorithm, values):
    acts = [Once("init", f"w{number}", value) for number, value in enumerate(values)]
    once = table(written(fresh_folder(), acts, algorithm=algorithm), "once")
    for row, value in enumerate(values):
        assert once.label(row, 0) == ("init", f"w{row}")
        assert once.record(row, 0) == (
            value.dtype.name,
            ",".join(map(str, value.shape)),
            value.tobytes(),
        )
        assert int(once.cells[row, 0]) == fingerprint.Hasher(algorithm)(
            *fingerprint.canonical(value)
        )


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**31))
def test_steps_are_read_back_bit_for_bit(fresh_folder, steps, columns, seed):
    values = np.random.default_rng(seed).standard_normal((steps, columns, 3)).astype(np.float32)
    acts = [
        Step(
            10 + step,
            tuple(("update", f"w{column}", values[step, column]) for column in range(columns)),
        )
        for step in range(steps)
    ]
    fit = table(written(fresh_folder(), acts), "fit 1")
    assert fit.cells.shape == (steps, columns)
    assert fit.step.tolist() == [10 + step for step in range(steps)]
    assert fit.sequence.tolist() == list(range(1, steps + 1))
    for step in range(steps):
        for column in range(columns):
            assert fit.label(step, column) == ("update", f"w{column}")
            assert fit.record(step, column) == ("float32", "3", values[step, column].tobytes())


def test_the_sequence_goes_over_all_tables(fresh_folder):
    acts = [
        Once("init", "w", 1),
        Step(0, (("loss", "loss", 1.0),)),
        Step(0, (("loss", "loss", 1.0),), "fit 2"),
        Once("init", "v", 2),
    ]
    trace = written(fresh_folder(), acts)
    assert {one.name: one.sequence.tolist() for one in trace.tables} == {
        "once": [1, 4],
        "fit 1": [2],
        "fit 2": [3],
    }
    assert trace.observations() == 4 and trace.steps() == 2


def test_a_row_with_other_names_opens_the_next_table(fresh_folder):
    trace = written(
        fresh_folder(),
        [
            Step(0, (("loss", "loss", 1.0),)),
            Step(1, (("loss", "mse", 1.0),)),
            Step(2, (("loss", "loss", 1.0),)),
        ],
    )
    assert [(one.name, one.columns, one.step.tolist()) for one in trace.tables] == [
        ("fit 1", (("loss", "loss"),), [0, 2]),
        ("fit 1 (1)", (("loss", "mse"),), [1]),
    ]


def test_a_value_is_copied_when_it_is_recorded(fresh_folder):
    weights = np.zeros(2, np.float32)
    folder = fresh_folder()
    writer = begin(folder, [])
    writer.once("init", "w", weights)
    weights += 1
    writer.once("update", "w", weights)
    writer.finish({"kind": "completed"})
    once = table(read(folder), "once")
    assert [once.record(row, 0)[2] for row in range(2)] == [
        bytes(8),
        np.ones(2, np.float32).tobytes(),
    ]


# --- the fingerprint is of the bits, the dtype and the shape


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.float32(0.0), np.float32(-0.0)),
        (np.zeros(2, np.float32), np.zeros(2, np.int32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(1), np.zeros(())),
        (np.arange(4.0), np.arange(4.0)[::-1]),
        (["ab", ""], ["a", "b"]),
        (["a"], ["b"]),
        (np.zeros(0), np.zeros((0, 1))),
    ],
)
@pytest.mark.parametrize("algorithm", fingerprint.available())
def test_whatever_differs_has_another_fingerprint(algorithm, left, right):
    mark = fingerprint.Hasher(algorithm)
    assert mark(*fingerprint.canonical(left)) != mark(*fingerprint.canonical(right))


@pytest.mark.parametrize("algorithm", fingerprint.available())
def test_the_layout_in_memory_is_no_difference(algorithm):
    mark, values = fingerprint.Hasher(algorithm), np.arange(6.0).reshape(2, 3)
    same = [
        np.asfortranarray(values),
        values.astype(">f8"),
        np.repeat(values, 2, axis=1)[:, ::2],
        values.tolist(),
    ]
    assert {mark(*fingerprint.canonical(value)) for value in (values, *same)} == {
        mark(*fingerprint.canonical(values))
    }


@pytest.mark.parametrize("algorithm", fingerprint.available())
@pytest.mark.parametrize(
    "size",
    [1, fingerprint.BLOCK - 1, fingerprint.BLOCK, fingerprint.BLOCK + 1, 3 * fingerprint.BLOCK],
)
def test_a_team_gives_the_same_fingerprint_and_no_bit_is_overlooked(algorithm, size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    alone, shared = fingerprint.Hasher(algorithm), fingerprint.Hasher(algorithm, Team(3))
    mark = alone(*fingerprint.canonical(data))
    assert [mark, alone(b"", b"x")] == shared.all([fingerprint.canonical_view(data), (b"", b"x")])
    for place in {0, size // 2, size - 1, min(size - 1, fingerprint.BLOCK)}:
        other = data.copy()
        other[place] ^= 1
        assert shared(*fingerprint.canonical(other)) != mark
    swapped = np.roll(data, fingerprint.BLOCK)
    assert shared(*fingerprint.canonical(swapped)) != mark or (swapped == data).all()


def test_a_team_keeps_the_order_raises_what_was_raised_and_serves_whoever_comes():
    team = Team(3)
    assert team.map(lambda one: one * one, [(one,) for one in range(100)]) == [
        one * one for one in range(100)
    ]
    with pytest.raises(ZeroDivisionError):
        team.map(lambda one: 1 // one, [(1,), (0,), (2,)])
    # From inside its own work, and from several threads, it is found at work: they do without it.
    assert team.map(
        lambda one: sum(team.map(lambda other: other, [(one,), (1,)])), [(1,), (2,)]
    ) == [2, 3]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda base: team.map(lambda one: base + one, [(1,), (2,), (3,)]), range(50)
        )
        assert list(found) == [[base + 1, base + 2, base + 3] for base in range(50)]


def test_a_team_that_gets_no_threads_works_alone(monkeypatch):
    def refused(*given):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(team_module, "_start", refused)
    team = Team(3)
    for _ in range(3):
        assert team.map(abs, [(-1,), (-2,)]) == [1, 2]


def test_a_team_whose_call_was_broken_off_by_a_signal_works_alone_from_then_on():
    class Broken(Exception):
        pass

    def handler(number, frame):
        raise Broken

    team, caller = Team(2), threading.get_ident()

    def slow(seconds):
        time.sleep(0.0 if threading.get_ident() == caller else seconds)
        return seconds

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Broken):
            while True:  # until the other thread has a job, which lasts longer than we may wait
                team.map(slow, [(2.0,), (2.0,), (2.0,)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for _ in range(3):
        assert team.map(abs, [(-1,), (-2,)]) == [1, 2]


# --- traces that their writer did not finish


def test_a_trace_that_was_never_begun_is_none(tmp_path):
    assert traces.read(tmp_path) is None


def test_what_was_written_before_the_writer_died_is_there(fresh_folder):
    folder = fresh_folder()
    begin(
        folder,
        [
            Once("init", "w", 1.0),
            *(Step(step, (("loss", "loss", float(step)),)) for step in range(12)),
        ],
    )
    trace = read(folder)
    assert trace.document["outcome"] == {"kind": "running"}
    assert trace.steps() == 12 and trace.observations() == 13
    assert table(trace, "fit 1").record(11, 0) == ("float64", "", np.float64(11).tobytes())


@given(st.integers(0, 3), st.integers(0, 39))
def test_an_incomplete_last_row_is_left_out(fresh_folder, whole, rest):
    """A row of three observations has five integers: 40 bytes, of which any number may have been
    written.
    """
    folder = fresh_folder()
    begin(
        folder,
        [Step(step, tuple(("update", name, float(step)) for name in "abc")) for step in range(4)],
    )
    path = folder / "0.rows"
    path.write_bytes(path.read_bytes()[: 40 * whole + rest])
    fit = table(read(folder), "fit 1")
    assert fit.cells.shape == (whole, 3) and fit.step.tolist() == list(range(whole))


def test_the_last_whole_record_is_read_where_the_next_was_being_written(fresh_folder):
    """Bytes come first, then offsets, then the row: a writer killed in between leaves the first two
    longer.
    """
    folder = fresh_folder()
    begin(folder, [Step(0, (("update", "a", [1.0, 2.0]), ("update", "b", [3.0])))])
    for ending, rubbish in ((".bytes", b"\x0b\x00float"), (".at", b"\x01\x02\x03")):
        with open(folder / f"0{ending}", "ab") as file:
            file.write(rubbish)
    fit = table(read(folder), "fit 1")
    assert fit.record(0, 0) == ("float64", "2", np.array([1.0, 2.0]).tobytes())
    assert fit.record(0, 1) == ("float64", "1", np.array([3.0]).tobytes())


def test_a_trace_without_kept_bytes_has_fingerprints_alone(fresh_folder):
    folder = fresh_folder()
    kept, unkept = (
        written(fresh_folder(), [Once("init", "w", 1.0)], kept=keep) for keep in (True, False)
    )
    assert unkept.tables[0].record(0, 0) is None
    assert unkept.tables[0].cells.tolist() == kept.tables[0].cells.tolist()
    assert not list(unkept.folder.glob("*.bytes")) and list(folder.iterdir()) == []


def test_a_large_tensor_is_fingerprinted_and_not_kept(fresh_folder):
    large = np.zeros(protocol.LARGEST_KEPT + 1, np.uint8)
    once = table(
        written(fresh_folder(), [Once("init", "big", large), Once("init", "small", 1.0)]), "once"
    )
    assert once.record(0, 0) is None and once.record(1, 0) == (
        "float64",
        "",
        np.float64(1).tobytes(),
    )
    assert int(once.cells[0, 0]) == fingerprint.Hasher("blake2b_64")(*fingerprint.canonical(large))


def test_a_long_table_is_mapped_and_reads_the_same(fresh_folder, monkeypatch):
    trace = written(
        fresh_folder(), [Step(step, (("loss", "loss", float(step)),)) for step in range(5)]
    )
    monkeypatch.setattr(traces, "LARGEST_READ", 0)
    mapped = read(trace.folder)
    assert isinstance(table(mapped, "fit 1").cells, np.memmap)
    for field in ("sequence", "step", "cells"):
        assert (
            getattr(table(mapped, "fit 1"), field).tolist()
            == getattr(table(trace, "fit 1"), field).tolist()
        )


# --- what else is in it


def test_the_document_tells_what_the_writer_noted(fresh_folder):
    trace = written(
        fresh_folder(),
        [Once("init", "w", 1.0)],
        evidence={"python-random": 1},
        digests={"init": "ab"},
    )
    assert (trace.evidence, trace.digests, trace.measures, trace.request) == (
        {"python-random": 1},
        {"init": "ab"},
        protocol.Measures(),
        REQUEST,
    )
    assert trace.facts == {"python": "3.11.7", "cpus": 2}
    document = json.loads((trace.folder / protocol.TRACE_FILE).read_text())
    assert (document["format"], document["version"]) == (
        protocol.TRACE_FORMAT,
        protocol.TRACE_VERSION,
    )
    assert document["outcome"] == {"kind": "completed"}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_a_trace_that_was_read_keeps_no_file_open(fresh_folder):
    """A scan has hundreds of open traces at a time; a usual limit is 1024 open files."""
    folder = fresh_folder()
    written(folder, [Once("init", "w", 1.0), Step(0, (("loss", "loss", 1.0),))])
    before = len(os.listdir("/proc/self/fd"))
    pinned = [read(folder) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(trace.observations() == 2 for trace in pinned)


# --- many models


def test_no_file_is_held_open_and_the_time_of_a_table_does_not_grow_with_their_number(fresh_folder):
    """A script with 900 models has as many tables: each has columns of its own."""

    def seconds(models: int) -> float:
        began = time.perf_counter()
        begin(
            fresh_folder(),
            [
                act
                for model in range(models)
                for act in (
                    *(Once("init", f"model_{model}/{name}", 0.0) for name in "abcd"),
                    Step(
                        model,
                        tuple(("update", f"model_{model}/{name}", 1.0) for name in "abcd"),
                        "fit",
                    ),
                )
            ],
        )
        return time.perf_counter() - began

    before = len(os.listdir("/proc/self/fd"))
    few, many = min(seconds(100) for _ in range(3)), seconds(900)
    assert len(os.listdir("/proc/self/fd")) == before
    assert many < 30 * few  # nine times as many; where each looks at all others, eighty times
