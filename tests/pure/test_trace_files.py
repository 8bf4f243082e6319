"""What is asked of a trace, and what a trial has left in files beside its tables."""

import json

import pytest
from detaudit.core import files
from detaudit.core.divergence import difference
from detaudit.core.notes import Executed, StepReplays
from detaudit.core.trace import Tensor
from detaudit_probes import protocol
from detaudit_probes.ops import event
from detaudit_probes.protocol import CallSites, Draw, Measures, Seeding

from tests.pure.handmade import Once, Step, written

ACTS = [
    Once("rng", "numpy at fit", 1),
    Once("init", "kernel", 0.5),
    Step(0, (("loss", "loss", 1.0),)),
    Once("rng", "random at fit", 2),
    Once("rng", "numpy at fit", 3),
    Step(1, (("loss", "other loss", 1.0),)),
]


@pytest.fixture
def trace(fresh_folder):
    return written(fresh_folder(), ACTS)


def test_events_of_a_stage_are_in_causal_order(trace):
    assert [(one.sequence, one.name) for one in trace.events("rng")] == [
        (1, "numpy at fit"),
        (4, "random at fit"),
        (5, "numpy at fit"),
    ]


def test_events_of_one_name_tell_its_values_apart(trace):
    first, second = trace.events("rng", "numpy at fit")
    assert (first.sequence, second.sequence) == (1, 5)
    assert first.fingerprint != second.fingerprint
    assert list(trace.events("init", "numpy at fit")) == list(trace.events("loss")) == []


def test_steps_that_bring_other_names_belong_to_the_same_phase(trace):
    assert [table.name for table in trace.step_tables] == ["fit 1", "fit 1 (1)"]
    assert {table.phase for table in trace.step_tables} == {"fit 1"}
    assert trace.steps() == 2


def test_saved_files_are_reported_in_the_order_in_which_they_were_saved(fresh_folder):
    digests = {"final": "f", "saved b.npy": "1", "saved a.npy": "2"}
    trace = written(
        fresh_folder(), [], digests=digests, measures=Measures(saved=("b.npy", "a.npy"))
    )
    assert list(trace.saved_files().items()) == [("b.npy", "1"), ("a.npy", "2")]
    assert trace.final == "f"
    older = written(fresh_folder(), [], digests=digests)
    assert list(older.saved_files()) == ["a.npy", "b.npy"]


def test_a_file_that_is_not_there_is_an_empty_one(trace):
    assert trace.stdout(10) == b"" and trace.stderr_end() == ""
    assert trace.unrecorded_processes() == 0 and trace.note("written.json") is None
    assert trace.sites() == CallSites((), ()) and trace.step_replays() == StepReplays()
    assert trace.final is None and trace.saved_files() == {}


def test_output_is_read_from_its_beginning_and_complaints_from_their_end(trace):
    (trace.folder / protocol.STDOUT_FILE).write_bytes(b"first\nsecond\n")
    (trace.folder / protocol.STDERR_FILE).write_bytes(b"b\n" * files.END + b"a" * 50 + b"\xffend")
    assert trace.stdout(5) == b"first"
    assert trace.stderr_end().endswith("b\n" + "a" * 50 + "\N{REPLACEMENT CHARACTER}end")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("secret = " + "x" * files.END + "\nlast\n", "last\n"),
        ("secret = " + "x" * files.END + "\r 10%\r 20%", " 10%\r 20%"),
        ("secret = " + "x" * files.END + " the end", "the end"),
        ("secret = " + "x" * files.END, ""),
    ],
)
def test_the_end_of_a_file_begins_with_no_half_of_a_line(trace, text, end):
    """Its other half may be all that says that this one is a secret."""
    (trace.folder / protocol.STDERR_FILE).write_text(text, newline="")
    assert trace.stderr_end() == end


def test_lines_that_drew_and_seeds_are_typed(trace):
    line = {"file": "train.py", "line": 4, "function": "<module>"}
    drew = {**line, "draws": 2, "seeded": 1, "in_user_code": True, "stack": ["a.py:1 in f"]}
    set_by = {**line, "function": "random.seed", "reaches": True, "draws": 1}
    listed = {"draws": [drew], "seeds": [set_by]}
    (trace.folder / protocol.SITES_FILE).write_text(json.dumps(listed))
    assert trace.sites() == CallSites(
        (Draw("train.py", 4, "<module>", 2, 1, True, ("a.py:1 in f",)),),
        (Seeding("train.py", 4, "random.seed", True, 1),),
    )


def test_the_operations_of_a_step_are_those_that_the_guest_writes(trace):
    """Every field of the guest's event crosses the wall, lists as tuples."""
    one = event.Event(
        "Add",
        (1, 2),
        (3,),
        shapes=("float32[2]", "int32[]"),
        results=("float32[2]",),
        foreign=(1,),
        limits=(None, (0, 7)),
        attributes={"T": "float"},
        call=(("x", 0), ("attribute T", "float")),
    )
    assert Executed._fields == one._fields
    listed = {"events": [one._asdict()], "again": [[event.marks(one)]]}
    (trace.folder / protocol.EVENTS_FILE).write_text(json.dumps(listed))
    replays = trace.step_replays()
    assert replays.events == (Executed(*one),)
    assert replays.marks == ((("Add", (1, 2), (3,)),), (("Add", (1, 2), (3,)),))


@pytest.mark.parametrize(("shape", "size"), [("", 1), ("3", 3), ("2,3", 6), ("0,4", 0)])
def test_a_tensor_knows_how_many_elements_it_has(shape, size):
    assert Tensor("float32", shape, b"").size == size


def test_tensors_of_other_shapes_have_no_distance():
    left, right = Tensor("uint8", "2", b"\0\1"), Tensor("uint8", "2", b"\0\2")
    assert difference("loss", 1, "loss", left, right).distance is not None
    other = right._replace(shape="2,1")
    assert difference("loss", 1, "loss", left, other).kind == "shape"
    unknown = difference("loss", 1, "loss", left, None)
    assert (unknown.kind, unknown.distance) == ("bits", None)


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_written_whole_under_its_own_name_alone(tmp_path, durable):
    path = tmp_path / "one.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()}, durable)
    assert path.read_text() == "old"
    files.write_json(path, {"b": 1, "a": [2]}, durable)
    assert path.read_text() == '{"a": [2], "b": 1}'
    assert files.read_json(path) == {"a": [2], "b": 1}
    assert list(tmp_path.iterdir()) == [path]
