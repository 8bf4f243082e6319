"""Every face of a report, compared whole. ``python -m tests.pure.golden`` writes the files anew."""

import json

import pytest
from detaudit.report import read, write

from tests.pure import golden


@pytest.mark.parametrize("name", golden.NAMES)
def test_face_is_as_it_was(name):
    assert golden.rendered(name) == (golden.FOLDER / name).read_text(encoding="utf-8")


def test_there_is_no_golden_file_that_nothing_is_compared_with():
    assert {path.name for path in golden.FOLDER.iterdir()} == {"README.md", *golden.NAMES}


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_every_face_comes_from_the_document_alone(name):
    """A report that was read from its file has the faces of the one that was written."""
    found = read.load(golden.FOLDER / f"{name}.json")
    for one in golden.NAMES:
        document, _, face = one.partition(".")
        if document == name:
            text = (golden.FOLDER / one).read_text(encoding="utf-8")
            assert golden.FACES[face](found) == text, one


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_written_read_and_written_again_gives_equal_bytes(name, tmp_path):
    text = golden.rendered(f"{name}.json")
    write.save(tmp_path / "report.json", text)
    again = write.to_json(read.load(tmp_path / "report.json"))
    assert (tmp_path / "report.json").read_bytes() == again.encode()
    assert list(json.loads(text)) == sorted(json.loads(text))
