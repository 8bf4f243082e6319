"""Several edits of one file, and one edit of several files, that make one fix."""

from types import SimpleNamespace

from detaudit.commands.run import fix
from detaudit.commands.run.findings import Site
from detaudit.commands.run.lines import moved
from detaudit_probes.sources import address_order, clock, os_entropy

CONSTANT, STREAM = os_entropy.SOURCE.script.edits
_, _, NUMBERS = address_order.SOURCE.script.edits


def changed(folder, texts, *ways):
    """The files after edits at ``(file, line)``, made from a program in this folder."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    program = SimpleNamespace(root=folder, contains=lambda name: True)
    case = SimpleNamespace(
        program=program, unpinned=SimpleNamespace(seed=1), has_workers=False, started="a.py"
    )
    made = [
        fix.Way(
            edit, sites=tuple(Site(file, line, "<module>", draws, True) for file, line in lines)
        )
        for edit, draws, lines in ways
    ]
    return fix.applied(case, made, {})


TWO = """import time
import uuid

run = default_rng(uuid.uuid4().int)
rng = default_rng(time.time_ns())
"""


def test_an_edit_that_removes_an_import_moves_no_line_of_another(tmp_path):
    at_4, at_5 = [("a.py", 4)], [("a.py", 5)]
    for ways in (
        [(CONSTANT, 1, at_4), (clock.SOURCE.script.edits[0], 1, at_5)],
        [(clock.SOURCE.script.edits[0], 1, at_5), (CONSTANT, 1, at_4)],
    ):
        text = changed(tmp_path, {"a.py": TWO}, *ways)["a.py"]
        assert "import" not in text and "time" not in text
        assert {line.split("default_rng")[1] for line in text.splitlines()} == {"(1)", "(1001)"}


def test_an_import_that_another_file_may_use_stays(tmp_path):
    (tmp_path / "serve.py").write_text("from a import time\n")
    found = changed(tmp_path, {"a.py": TWO}, (CONSTANT, 1, [("a.py", 4)]))
    assert "import uuid" in found["a.py"]


def test_an_edit_that_adds_lines_moves_those_of_another(tmp_path):
    text = "import os\n\nx = os.urandom(9)\nkeys = [hash(one) for one in things]\n"
    found = changed(
        tmp_path,
        {"a.py": text},
        (STREAM, 9, [("a.py", 3)]),
        (NUMBERS, 9, [("a.py", 4)]),
    )["a.py"]
    assert "x = entropy.randbytes(9)\n" in found and "numbers.setdefault(one, " in found
    assert "import os" not in found


def test_two_files_get_different_ids(tmp_path):
    text = "import uuid\n\nname = uuid.uuid4().hex\n"
    found = changed(tmp_path, {"a.py": text, "b.py": text}, (STREAM, 9, [("a.py", 3), ("b.py", 3)]))
    assert "random.Random(1)" in found["a.py"] and "random.Random(1001)" in found["b.py"]


def test_objects_are_not_numbered_in_two_files_by_themselves(tmp_path):
    text = "key = id(thing)\n"
    sites = [("a.py", 1), ("b.py", 1)]
    assert changed(tmp_path, {"a.py": text, "b.py": text}, (NUMBERS, 9, sites)) is None
    assert changed(tmp_path, {"a.py": text}, (NUMBERS, 9, sites[:1])) is not None


def test_lines_are_found_again_among_changed_added_and_removed_ones():
    before = "a\nb\nc\nd\n"
    assert moved({1: 5, 3: 6, 4: 7}, before, "new\na\nB\nc\nd\n") == {2: 5, 4: 6, 5: 7}
    assert moved({1: 5, 2: 6, 4: 7}, before, "b\nc\nD\n") == {1: 6, 3: 7}
    assert moved({2: 5}, before, before) == {2: 5}
