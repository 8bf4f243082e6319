"""Notebooks: which lines are run, under which names, and how a changed cell is put back."""

import subprocess
import sys

import pytest
from detaudit.errors import UsageError
from detaudit.execution.program import program
from detaudit.execution.program import texts as files
from detaudit_probes import notebooks

from tests import notebook_files

RUN = "from detaudit_probes import notebooks; notebooks.run()"


def cells(tmp_path, *codes):
    notebook_files.write(tmp_path / "a.ipynb", *codes)
    return notebooks.cells((tmp_path / "a.ipynb").read_text())


def test_cells_without_code_have_no_number(tmp_path):
    found = cells(tmp_path, "x = 1", " \n", "y = 2")
    assert [(one.number, one.code) for one in found] == [(1, "x = 1"), (2, "y = 2")]


@pytest.mark.parametrize(
    ("code", "run", "left_out"),
    [
        ("%matplotlib inline\nx = 1", "pass  # %matplotlib inline\nx = 1", ["%matplotlib inline"]),
        ("!pip install keras\nx = 1", "pass  # !pip install keras\nx = 1", []),
        ("%pip install keras\nx = 1", "pass  # %pip install keras\nx = 1", []),
        ("if x:\n    !ls\n", "if x:\n    pass  # !ls\n", ["!ls"]),
        ("names = !ls data", "pass  # names = !ls data", ["names = !ls data"]),
        ("x = 1\nmodel.fit?", "x = 1\npass  # model.fit?", ["model.fit?"]),
        ("%time x = f(\n    1)", "x = f(\n    1)", []),
        ("%%time\nx = 1", "# %%time\nx = 1", []),
        ("%%bash\nls", "# %%bash\n# ls", ["%%bash"]),
        ("!ls \\\n  data\nx = 1", "pass  # !ls \\\n#   data\nx = 1", ["!ls \\"]),
        ("\n%%time\nx = 1", "#\n# %%time\nx = 1", []),
        ("pip install keras\nx = 1", "pass  # pip install keras\nx = 1", []),
        ("!{sys.executable} -m pip install x", "pass  # !{sys.executable} -m pip install x", []),
        ("d['a'] = !ls", "pass  # d['a'] = !ls", ["d['a'] = !ls"]),
        ("x = (7\n% 4)", "x = (7\n% 4)", []),
        ('x = """\n%d\n!ls\n"""', 'x = """\n%d\n!ls\n"""', []),
        ("x = (\n", "x = (\n", []),
    ],
)
def test_what_only_jupyter_understands_is_left_out(tmp_path, code, run, left_out):
    (found,) = cells(tmp_path, code)
    assert (found.code, list(found.left_out)) == (run, left_out)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not a Jupyter notebook"),
        ("[]", "not a Jupyter notebook"),
        ('{"worksheets": []}', "not a Jupyter notebook"),
        ('{"cells": [{"cell_type": "code"}]}', "not a Jupyter notebook"),
        ('{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "written in R"),
    ],
)
def test_what_is_no_notebook_in_python_is_refused(tmp_path, text, reason):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(UsageError, match=f"a.ipynb cannot be run: it is {reason}"):
        program.find("a.ipynb", False, (), tmp_path)


def test_the_report_says_what_is_not_run(tmp_path):
    notebook_files.write(tmp_path / "a.ipynb", "%matplotlib inline\nx = 1", "%%bash\nls")
    assert program.find("a.ipynb", False, (), tmp_path).not_run == (
        "lines that only Jupyter understands are skipped: %matplotlib inline in cell 1; %%bash in "
        "cell 2"
    )


def test_a_notebook_starts_in_its_own_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    notebook_files.write(tmp_path / "sub" / "a.ipynb", "x = 1")
    found = program.find("sub/a.ipynb", False, ("--fast",), tmp_path)
    assert (found.cwd, found.root, found.title) == (tmp_path / "sub", tmp_path, "sub/a.ipynb")
    assert found.command("python", tmp_path)[2:] == [
        program.RUN_CELLS,
        str(tmp_path / "sub" / "a.ipynb"),
        "--fast",
    ]


def test_cells_run_one_after_the_other_and_show_their_last_value(tmp_path):
    notebook_files.write(
        tmp_path / "a.ipynb",
        "import sys\ndef f():\n    return len(sys.argv)",
        "f()",
        "f();",
        "display(__name__)\nNone",
        "%%time\nx = 3\nx",
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, "a.ipynb", "one"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("2\n__main__\n3\n", "")


@pytest.mark.skipif(sys.version_info < (3, 8), reason="Python waits there since 3.8")
def test_a_cell_may_wait_for_a_coroutine(tmp_path):
    text = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 4"
    notebook_files.write(tmp_path / "a.ipynb", text, "x = await f()", "await f() + x")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "a.ipynb"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("8\n", "")


def test_a_cell_in_another_language_has_no_name_to_edit(tmp_path):
    notebook_files.write(tmp_path / "a.ipynb", "%%bash\nls", "x = 1")
    assert files.names_of("a.ipynb", tmp_path) == ["a.ipynb[2]"]


def test_a_traceback_names_the_cell_and_shows_its_line(tmp_path):
    notebook_files.write(tmp_path / "a.ipynb", "x = 1", "y = 2\nundefined_name")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "a.ipynb"], cwd=tmp_path, capture_output=True, text=True
    )
    assert 'a.ipynb[2]", line 2' in done.stderr and "    undefined_name" in done.stderr


def test_a_cell_is_a_file(tmp_path):
    notebook_files.write(tmp_path / "a.ipynb", "x = 1", "y = 2")
    assert files.names_of("a.ipynb", tmp_path) == ["a.ipynb[1]", "a.ipynb[2]"]
    assert files.names_of("b.py", tmp_path) == ["b.py"]
    assert files.text_of(tmp_path / "a.ipynb[2]") == "y = 2\n"
    assert files.text_of(tmp_path / "a.ipynb[3]") is None


def test_changed_cells_are_put_back(tmp_path):
    notebook_files.write(tmp_path / "a.ipynb", "x = 1", "", "y = 2")
    put_back = files.put_back({"a.ipynb[2]": "y = 3\n", "b.py": "z\n"}, tmp_path)
    assert put_back["b.py"] == "z\n"
    (tmp_path / "a.ipynb").write_text(put_back["a.ipynb"])
    assert [files.text_of(tmp_path / f"a.ipynb[{number}]") for number in (1, 2)] == [
        "x = 1\n",
        "y = 3\n",
    ]


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("!python train.py", True),
        ("%run train.py", True),
        ("%%bash\npython train.py", True),
        ("%%timeit\ntrain()", True),
        ("%matplotlib inline", False),
        ("%%html\n<b>", False),
        ("!pip install numpy", False),
    ],
)
def test_lines_that_run_programs_are_known(tmp_path, line, runs):
    notebook_files.write(tmp_path / "a.ipynb", line, "x = 1")
    assert program.find("a.ipynb", False, (), tmp_path).skips_programs is runs


def test_a_byte_order_mark_stays(tmp_path):
    path = tmp_path / "a.ipynb"
    notebook_files.write(path, "x = 1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert files.text_of(tmp_path / "a.ipynb[1]") == "x = 1\n"
    assert files.put_back({"a.ipynb[1]": "x = 2\n"}, tmp_path)["a.ipynb"].startswith("\ufeff{")
