"""A report may be anybody's file: whatever it contains, the result is a report or one clear
sentence.
"""

import json
from pathlib import Path

import pytest
from detaudit.errors import ReportUnreadable
from detaudit.report import read, write
from detaudit.report.formats import junit, markdown
from detaudit.report.schema import v1
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pure import golden

FULL = (golden.FOLDER / "report-full.json").read_bytes()
SMALL = (golden.FOLDER / "report-single.json").read_bytes()
REPORTS = Path(__file__).parents[2] / "docs" / "reports"
HEAD = b'{"format": "detaudit.report", "version": 1, '


def refusal(content: bytes) -> str:
    with pytest.raises(ReportUnreadable) as caught:
        read.decode(content, "theirs.json")
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not JSON", "not JSON"),
        (b"\x80\x81", "not JSON"),
        (b"{} {}", "not a detaudit report"),
        (HEAD + b'"trials": []} {}', "not JSON"),
        (b'{"format": "detaudit.report", "version": NaN}', "not JSON"),
        (b"[]", "not a detaudit report"),
        (b'"detaudit.report"', "not a detaudit report"),
        (b'{"version": 1}', "not a detaudit report"),
        (b'{"format": "detaudit.report", "version": "1"}', "not a detaudit report"),
        (b'{"format": "detaudit.report", "version": 0}', "not a detaudit report"),
        (b'{"format": "detaudit.trace", "version": 1}', "'detaudit.trace'"),
        (b'{"format": "detaudit.report", "version": 2, "anything": [1]}', "newer detaudit"),
        (HEAD + b'"anything": 1}', "damaged"),
        (HEAD[:-2] + b"}", "missing required field"),
        (b"[" * 5_000_000, "not a detaudit report"),
        (HEAD + b'"machine": ' + b'{"a":' * 3_000_000, "nested"),
        (HEAD + b'"machine": "\\ud800"}', "theirs.json"),  # half of a surrogate pair
    ],
)
def test_what_is_no_report_is_refused_with_what_was_observed(content, said):
    assert said in refusal(content)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=1, max_value=len(SMALL) - 3))
def test_truncated_report_is_refused(length):
    assert "truncated" in refusal(SMALL[:length])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused(content):
    assert "theirs.json" in refusal(content)


def test_facts_nested_deeper_than_a_report_are_refused():
    document = json.loads(SMALL)
    for _ in range(read.DEEPEST):
        document["machine"] = {"inner": [document["machine"]]}
    assert "nested" in refusal(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"exit_code": "0"}, "$.exit_code"),
        ({"exit_code": 1000}, "$.exit_code"),
        ({"outcome": "fine"}, "$.outcome"),
        ({"verdicts": {}}, "$.verdicts"),
        ({"verdicts": [None]}, "$.verdicts[0]"),
        ({"reason": "x" * (v1.TEXT + 1)}, "$.reason"),
        ({"recipe": {"lines": ["x"]}}, "$.recipe"),
        ({"\x1b[31mnew": 1}, "\\x1b[31mnew"),
    ],
)
def test_damage_is_named_with_its_place(change, place):
    said = refusal(json.dumps({**json.loads(SMALL), **change}).encode())
    assert "damaged" in said and place in said and said.isprintable()


def test_a_trial_of_a_condition_that_is_not_there_is_refused():
    document = json.loads(SMALL)
    document["trials"][3]["condition"] = 99
    assert "names condition 99" in refusal(json.dumps(document).encode())


def test_a_recipe_that_names_a_command_as_its_variable_is_refused():
    document = json.loads(FULL)
    document["recipe"]["environment"] = {"A=1; rm -rf ~; B": "1"}
    assert "$.recipe.environment" in refusal(json.dumps(document).encode())


def test_huge_file_is_refused_without_being_read(tmp_path):
    with open(tmp_path / "huge.json", "wb") as file:
        file.write(HEAD)
        file.truncate(100_000_000)
    with pytest.raises(ReportUnreadable, match=r"huge\.json is 100 MB large.*at most 20 MB"):
        read.load(tmp_path / "huge.json")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/dev/zero", "not a file that ends"),
        ("/no/such/file", "No such file"),
        (str(Path(__file__).parent), "Is a directory"),
        ("nul\0byte", "null byte"),
    ],
)
def test_what_is_no_file_is_refused(path, said):
    with pytest.raises(ReportUnreadable, match=said):
        read.load(path)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.json").touch()
    with pytest.raises(ReportUnreadable, match="is empty"):
        read.load(tmp_path / "empty.json")


def test_upgrades_are_applied_in_a_chain_from_the_version_of_the_document():
    def second(document):
        return {**document, "version": 2, "seen": [*document["seen"], "second"]}

    def third(document):
        return {**document, "version": 3, "seen": [*document["seen"], "third"]}

    steps = (second, third)
    assert read.upgraded({"version": 1, "seen": []}, steps) == {
        "version": 3,
        "seen": ["second", "third"],
    }
    assert read.upgraded({"version": 2, "seen": []}, steps) == {"version": 3, "seen": ["third"]}
    assert read.upgraded({"version": 3, "seen": []}, steps) == {"version": 3, "seen": []}


def test_an_older_document_is_upgraded_and_then_validated(monkeypatch):
    monkeypatch.setattr(
        v1, "VERSION", 2
    )  # as after the next version: what is read now is the older one
    monkeypatch.setattr(read, "UPGRADES", (lambda document: {**document, "reason": "lifted"},))
    assert read.decode(SMALL, "old.json").reason == "lifted"
    monkeypatch.setattr(read, "UPGRADES", (lambda document: {**document, "reason": 7},))
    assert "$.reason" in refusal(SMALL)
    monkeypatch.setattr(read, "UPGRADES", (lambda document: {"gone": document["no such field"]},))
    assert "damaged" in refusal(SMALL)


def _leaves(value, path=()):
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    yield path, value
    for key, one in inner:
        yield from _leaves(one, (*path, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_damaged_place_gives_a_refusal_or_a_report_that_every_face_can_draw(data):
    document = json.loads(SMALL)
    path = data.draw(st.sampled_from([path for path, _ in _leaves(document) if path]))
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = data.draw(JSON)
    try:
        found = read.decode(json.dumps(document).encode(), "theirs.json")
    except ReportUnreadable:
        return
    assert (
        golden.on_terminal(found, verbose=True) and markdown.render(found) and junit.render(found)
    )
    assert read.decode(write.to_json(found).encode(), "again.json") == found


def test_every_report_that_is_kept_is_of_this_version_and_on_one_line():
    kept = [path for path in REPORTS.glob("*.json") if path.name != "tutorial-2017.json"]
    assert len(kept) > 10
    for path in kept:
        assert path.read_text().count("\n") == 1, path.name
        assert read.load(path).version == v1.VERSION
