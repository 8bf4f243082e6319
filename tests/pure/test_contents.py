"""What a program has printed and saved: read by content, compared value by value."""

import gzip
import io
import json
import pickle
import re
import sqlite3
import zipfile
from datetime import datetime

import numpy as np
import pytest
from detaudit.core import contents
from detaudit.core.contents import Ignored, Place
from detaudit_probes.contents import formats
from detaudit_probes.protocol import PRINTED, Contents


def read(path, name=None):
    found = formats.read(name or path.name, str(path))
    assert found is not None
    return found


def saved(folder, name, value):
    """A file of this name that contains ``value``, a number, and the time of its making."""
    path = folder / name
    array = np.append(np.zeros(99), value)
    if name.endswith(".npy"):
        np.save(path, array)
    elif name.endswith(".npz"):
        np.savez(path, w=array, b=np.zeros(2))
    elif name.endswith(".h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["layer/w"] = array
            file.attrs["kind"] = "dense"
    elif name.endswith(".keras"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps({"rate": value}))
    elif name.endswith(".pt"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", pickle.dumps({"w": "storage 0"}, 2))
            archive.writestr("a/data/0", array.tobytes())
    elif name.endswith(".safetensors"):
        header = {"w": {"dtype": "F64", "shape": [100], "data_offsets": [0, 800]}}
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + array.tobytes())
    elif name.endswith(".csv"):
        path.write_text(f"epoch,loss\n1,0.5\n2,{value}\n")
    elif name.endswith(".json"):
        path.write_text(json.dumps({"runs": [{"loss": value}], "name": "x"}))
    elif name.endswith(".jsonl"):
        path.write_text('{"loss": 0.5}\n' + json.dumps({"loss": value}) + "\n")
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(json.dumps({"loss": value}).encode()))
    elif name.endswith(".db"):
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE runs (loss REAL, kind TEXT)")
            database.execute("INSERT INTO runs VALUES (?, 'x')", (value,))
        database.close()
    elif name.endswith(".pkl"):
        path.write_bytes(pickle.dumps({"loss": value, "w": [1, 2]}))
    elif name.endswith(".txt"):
        path.write_text(f"loss\n{value} at the end\n")
    else:
        path.write_bytes(bytes([0, 255, int(2 * value)]))
    return path


#: Each format, and the place of the number in it.
PLACES = {
    "a.npy": "",
    "a.npz": "w",
    "a.h5": "layer/w",
    "a.keras": "config.json, rate",
    "a.pt": "data/0",
    "a.safetensors": "w",
    "a.csv": "row 2, loss",
    "a.json": "runs[0].loss",
    "a.jsonl": "line 2.loss",
    "a.json.gz": "loss",
    "a.db": "runs, row 1, loss",
    "a.pkl": "value 4",
}


@pytest.mark.parametrize("name", [*PLACES, "a.txt", "a.bin"])
def test_a_file_is_compared_by_its_values_whatever_its_name(tmp_path, name):
    called = name if name.endswith(".csv") else "results"  # nothing in a table says what it is
    one, same, other = (
        Contents((read(saved(tmp_path, name, value), called),)) for value in (1.5, 1.5, 2.5)
    )
    assert not list(contents.differing(one, same, trained=False))
    ((place, a, b),) = contents.differing(one, other, trained=False)
    assert a and b and a.text != b.text and a.kind == b.kind
    if name in PLACES:
        assert place.place == PLACES[name]
        assert [found for found, _, _ in contents.differing(one, other, trained=True)] == [place]
    else:  # text, and what is not known, decide only where no step was observed
        assert not list(contents.differing(one, other, trained=True))


def test_a_format_that_cannot_be_read_is_compared_by_its_bytes(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04 and nothing else")
    found = read(path)
    assert (found.format, len(found.leaves)) == ("bytes", 1) and "BadZipFile" in found.unread
    assert formats.read("gone", str(tmp_path / "gone")) is None


def test_the_addresses_and_the_date_in_a_file_of_keras_are_no_part_of_the_model(tmp_path):
    def saved(rate, address, when):
        path = tmp_path / "a.keras"
        with zipfile.ZipFile(path, "w") as archive:
            config = {"rate": rate, "dtype": {"shared_object_id": address}}
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", json.dumps({"date_saved": when}))
        return Contents((read(path),))

    one = saved(0.5, 140337, "2026-11-29@22:49:41")
    assert not list(contents.differing(one, saved(0.5, 140999, "2026-11-29@22:49:43"), False))
    assert list(contents.differing(one, saved(0.6, 140337, "2026-11-29@22:49:41"), True))


def test_a_few_numbers_in_an_array_may_be_times(tmp_path):
    np.savez(tmp_path / "a.npz", began=1500000000.25, rows=np.array([1, 2], "int32"))
    leaves = {leaf.place: (leaf.kind, leaf.text) for leaf in read(tmp_path / "a.npz").leaves}
    assert leaves == {
        "began": ("number", "1500000000.25"),
        "rows[0]": ("number", "1"),
        "rows[1]": ("number", "2"),
    }
    np.save(tmp_path / "a.npy", np.array([0.5, np.nan]))
    (leaf,) = read(tmp_path / "a.npy").leaves
    assert leaf.kind == "array"  # the bits of NaN count


def test_a_pickled_time_is_read_as_one(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"when": datetime(2026, 11, 29, 22, 49, 41, 5)}))
    assert "2026-11-29T22:49:41.000005" in {leaf.text for leaf in read(path).leaves}


class Harmful:
    """Makes a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(Harmful(tmp_path / "made")))
    assert any(leaf.text == str(tmp_path / "made") for leaf in read(path).leaves)
    assert not (tmp_path / "made").exists()


class Moment:
    """Which joblib's file is made at; memory between two fields is not written."""

    def __init__(self, seconds, padding):
        table = np.frombuffer(
            bytes(16), np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"]}, align=True)
        )
        self.table = table.copy()
        self.table.view("u1")[1] = padding
        self.std_fit_time = np.array([seconds, 0.5])
        self.values = np.array(["x", None, np.arange(3)], dtype=object)
        self.weights = np.arange(200.0).reshape(2, 100)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_arrays_in_a_file_of_joblibs_are_read(tmp_path, protocol):
    joblib = pytest.importorskip("joblib")
    found = []
    for name, seconds, padding in (("a", 0.1, 0), ("b", 0.2, 7)):
        joblib.dump(
            [Moment(seconds, padding), "end"], tmp_path / f"{name}.joblib", protocol=protocol
        )
        one = read(tmp_path / f"{name}.joblib", "model.joblib")
        assert (one.format, one.unread) == ("pickled", "")
        found.append(Contents((one,)))
    (place,) = [place for place, _, _ in contents.differing(*found, True)]
    assert place.place.endswith("(std_fit_time)[0]")
    joblib.dump(
        [Moment(0.1, 0), Harmful(tmp_path / "made")], tmp_path / "c.joblib", protocol=protocol
    )
    assert read(tmp_path / "c.joblib").format == "pickled" and not (tmp_path / "made").exists()


def test_an_npy_file_of_objects_is_read_after_its_header(tmp_path):
    np.save(tmp_path / "a.npy", np.array([0.5, "text", None], dtype=object), allow_pickle=True)
    found = read(tmp_path / "a.npy")
    assert (found.format, found.unread) == ("npy", "")
    assert {"0.5", "text"} <= {leaf.text for leaf in found.leaves}


def test_several_pickles_and_repeated_objects_count(tmp_path):
    def dumped(*values):
        path = tmp_path / "a.pkl"
        path.write_bytes(b"".join(map(pickle.dumps, values)))
        return Contents((read(path),))

    def differ(one, other):
        return any(contents.differing(dumped(*one), dumped(*other), trained=False))

    cat, dog = "cat" * 9, "dog" * 9
    assert differ(([1], [2]), ([1], [3]))
    assert differ([[cat, dog, cat, cat]], [[cat, dog, dog, dog]])
    assert not differ([[cat, dog, cat]], [[cat, dog, cat]])


def test_values_at_one_place_and_empty_containers_count(tmp_path):
    def saved(name, text):
        (tmp_path / name).write_text(text)
        return Contents((read(tmp_path / name),))

    for name, one, other in (
        ("a.csv", "loss,loss\n1,2\n", "loss,loss\n3,2\n"),
        ("a.json", '{"a.b": 1, "a": {"b": 2}}', '{"a.b": 3, "a": {"b": 2}}'),
        ("a.json", '{"a": [[], []]}', '{"a": []}'),
    ):
        assert any(contents.differing(saved(name, one), saved(name, other), trained=False))


def test_of_many_values_the_first_are_kept_and_all_count(tmp_path):
    texts = []
    for last in ("1", "2"):
        path = tmp_path / "a.csv"
        path.write_text("loss\n" + "0.5\n" * 60000 + last + "\n")
        texts.append(Contents((read(path),)))
    assert len(texts[0].files[0].leaves) < 51000
    ((place, _, _),) = contents.differing(*texts, trained=True)
    assert place.place.startswith("after the first")


def printed(tmp_path, text, name=PRINTED):
    path = tmp_path / "out"
    path.write_bytes(text.encode())
    return Contents((read(path, name),))


def test_a_line_is_compared_word_by_word_as_a_terminal_shows_it(tmp_path):
    one = printed(tmp_path, "1/9 slow\r9/9 loss 0.5 (12 ms)\n{\n")
    other = printed(tmp_path, "2/9\r9/9 loss 0.6 (13 ms)\n{\n")
    found = [place for place, _, _ in contents.differing(one, other, trained=False)]
    assert found == [Place(PRINTED, "line 1", 2), Place(PRINTED, "line 1", 3)]
    ignored = {Place(PRINTED, "line #", 3): Ignored(re.compile(r"\d+"), ("loss", "ms"))}
    ignored = {place._replace(place="line 1"): one for place, one in ignored.items()}
    left = contents.differing(one, other, False, ignored)
    assert [place.word for place, _, _ in left] == [2]
    # Another line stands there: its numbers count
    elsewhere = printed(tmp_path, "9/9 gain 0.5 (12 ms)\n{\n")
    unlike = contents.differing(
        elsewhere, printed(tmp_path, "9/9 gain 0.5 (9 ms)\n{\n"), False, ignored
    )
    assert [place.word for place, _, _ in unlike] == [3]
    assert not list(contents.differing(one, other, trained=True))


def test_another_number_of_words_or_lines_differs(tmp_path):
    one, other = printed(tmp_path, "a b\nc\n"), printed(tmp_path, "a b c\n")
    found = [(place.place, place.word) for place, _, _ in contents.differing(one, other, False)]
    assert found == [("line 1", None), ("line 2", None)]


def test_files_with_a_time_in_their_names_are_paired(tmp_path):
    one = printed(tmp_path, "[1]", "run-1.json")
    same, other = printed(tmp_path, "[1]", "run-2.json"), printed(tmp_path, "[2]", "run-2.json")
    assert not list(contents.differing(one, same, trained=True))
    ((place, _, _),) = contents.differing(one, other, trained=True)
    assert contents.readable(place) == "run-1.json, [0]"
    ((place, a, b),) = contents.differing(one, Contents(()), trained=True)
    assert a and b is None


def test_a_file_inside_an_archive_is_read_like_one_outside(tmp_path):
    inner = io.BytesIO()
    np.save(inner, np.arange(300))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/w.npy", inner.getvalue())
        archive.writestr("notes.txt", "one\n")
    kinds = {leaf.place: leaf.kind for leaf in read(path).leaves}
    assert kinds == {"deep/w": "array", "notes.txt, line 1": "text"}
