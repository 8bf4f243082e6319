"""Every face of a report, compared whole. ``python -m tests.pure.golden`` writes the files anew."""

import json

import pytest
from detaudit.report import read, write

from tests.pure import golden


@pytest.mark.parametrize("name", golden.NAMES)
def test_face_is_as_it_was(name):
    assert golden.rendered(name) == (golden.FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [one for one in golden.NAMES if one.endswith(".json")])
def test_every_face_comes_from_the_document_alone(name):
    """A report that was read from its file has the faces of the one that was written."""
    audit = name.removeprefix("report-").removesuffix(".json")
    found = read.load(golden.FOLDER / name)
    assert {face: draw(found) for face, draw in golden.FACES.items()} == {
        face: (golden.FOLDER / f"report-{audit}.{face}").read_text(encoding="utf-8")
        for face in golden.FACES
    }


@pytest.mark.parametrize("name", [one for one in golden.NAMES if one.endswith(".json")])
def test_written_read_and_written_again_gives_equal_bytes(name, tmp_path):
    text = golden.rendered(name)
    write.save(tmp_path / "report.json", text)
    again = write.to_json(read.load(tmp_path / "report.json"))
    assert (tmp_path / "report.json").read_bytes() == again.encode()
    assert list(json.loads(text)) == sorted(json.loads(text))
