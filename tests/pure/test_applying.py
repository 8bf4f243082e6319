"""A verified fix is applied to the user's files, or none of them is changed."""

import json
import os
import shutil
import subprocess

import pytest
from detaudit.commands.run.applying import apply
from detaudit.commands.run.findings import Fix
from detaudit.commands.run.fix import diff
from detaudit.errors import UsageError
from detaudit.execution.program.texts import put_back, text_of

from tests import notebook_files

BEFORE, AFTER = "import numpy as np\r\n", "import numpy as np\r\nnp.random.seed(1)\r\n"


def fix(**texts):
    return Fix("", (), True, 4, "", texts=texts or {"train.py": (BEFORE, AFTER)})


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(BEFORE.encode())
    path.chmod(0o750)
    return tmp_path


def git(folder, *words):
    own = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


def text(folder):
    return (folder / "train.py").read_bytes().decode()


def test_the_file_is_changed_and_keeps_its_mode_and_line_ends(folder):
    assert apply(folder, fix(), False) == ["train.py"]
    assert text(folder) == AFTER
    assert (folder / "train.py").stat().st_mode & 0o777 == 0o750
    assert os.listdir(folder) == ["train.py"]


def test_a_file_that_has_changed_since_is_left_alone(folder):
    (folder / "other.py").write_text("x = 1\n")
    both = fix(**{"train.py": (BEFORE, AFTER), "other.py": ("y = 1\n", "y = 2\n")})
    with pytest.raises(UsageError, match=r"other.py has changed since it was audited"):
        apply(folder, both, True)
    assert text(folder) == BEFORE


def test_a_link_is_left_alone(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("elsewhere") / "train.py"
    os.rename(folder / "train.py", target)
    (folder / "train.py").symlink_to(target)
    with pytest.raises(UsageError, match=r"train.py is a link"):
        apply(folder, fix(), True)
    assert target.read_bytes().decode() == BEFORE


def test_uncommitted_changes_are_not_mixed_with_the_fix(folder):
    git(folder, "init")
    with pytest.raises(UsageError, match=r"train.py has changes that are not committed"):
        apply(folder, fix(), False)
    assert text(folder) == BEFORE
    git(folder, "add", "train.py")
    git(folder, "commit", "-m", "a")
    apply(folder, fix(), False)
    assert text(folder) == AFTER
    again = fix(**{"train.py": (AFTER, BEFORE)})
    with pytest.raises(UsageError, match="not committed"):
        apply(folder, again, False)
    apply(folder, again, True)
    assert text(folder) == BEFORE


def test_a_folder_that_cannot_be_written_is_said(folder):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o500)
    with pytest.raises(UsageError, match=r"was not applied to train\.py: Permission denied"):
        apply(folder, fix(), True)
    folder.chmod(0o700)


def test_what_git_cannot_say_is_no_permission(folder):
    git(folder, "init")
    (folder / ".git" / "config").write_text("[broken\n")
    with pytest.raises(UsageError, match="git cannot say"):
        apply(folder, fix(), False)
    assert text(folder) == BEFORE


def test_a_file_that_git_ignores_is_not_committed(folder):
    git(folder, "init")
    (folder / ".gitignore").write_text("train.py\n")
    with pytest.raises(UsageError, match="not committed"):
        apply(folder, fix(), False)


def test_a_file_with_two_names_stays_one_file(folder):
    os.link(folder / "train.py", folder / "same.py")
    apply(folder, fix(), False)
    assert (folder / "same.py").read_bytes().decode() == AFTER


def test_if_one_file_cannot_be_written_none_is_changed(folder):
    (folder / "other.py").write_text("y = 1\n")
    broken = fix(**{"train.py": (BEFORE, AFTER), "other.py": ("y = 1\n", "y = '\ud83d'\n")})
    with pytest.raises(UnicodeEncodeError):
        apply(folder, broken, False)
    assert text(folder) == BEFORE and sorted(os.listdir(folder)) == ["other.py", "train.py"]


def test_a_read_only_file_is_left_alone(folder):
    (folder / "train.py").chmod(0o444)
    with pytest.raises(UsageError, match="is read-only"):
        apply(folder, fix(), True)


def test_a_notebook_keeps_its_magics_and_its_form(tmp_path):
    path = tmp_path / "a.ipynb"
    notebook_files.write(path, "%matplotlib inline\nimport numpy as np", "!ls \\\n  data\nx = 1")
    before = [text_of(tmp_path / f"a.ipynb[{number}]") for number in (1, 2)]
    texts = {
        "a.ipynb[1]": before[0] + "np.random.seed(1)\n",
        "a.ipynb[2]": before[1].replace("x = 1", "x = 2"),
    }
    new = put_back(texts, tmp_path)["a.ipynb"]
    assert apply(tmp_path, fix(**{"a.ipynb": (path.read_text(), new)}), False) == ["a.ipynb"]
    cells = [one for one in json.loads(path.read_text())["cells"] if one["cell_type"] == "code"]
    assert cells[0]["source"] == [
        "%matplotlib inline\n",
        "import numpy as np\n",
        "np.random.seed(1)",
    ]
    assert cells[1]["source"] == ["!ls \\\n", "  data\n", "x = 2"]


@pytest.mark.parametrize("indent", [1, 4])
def test_only_the_lines_of_the_cell_differ(tmp_path, indent):
    path = tmp_path / "a.ipynb"
    notebook_files.write(path, "x = '\N{SNOWMAN}'")
    text = json.dumps(json.loads(path.read_text()), indent=indent, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    new = put_back({"a.ipynb[1]": "x = 2\n"}, tmp_path)["a.ipynb"]
    changed = [
        one for one in zip(text.splitlines(), new.splitlines(), strict=True) if len({*one}) > 1
    ]
    assert len(changed) == 1


NAMES = ["train.py", "my train.py", "a folder/train.py", "\u00fcbung.py", 'a"b.py', "a\\b\tc.py"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [("patch", "-p1", "-i"), ("git", "apply")])
@pytest.mark.parametrize(
    ("ends", "first", "last"),
    [("\n", "", "\n"), ("\r\n", "\ufeff", "\r\n"), ("\n", "", ""), ("\r", "\ufeff", "")],
)
def test_the_diff_fits_whatever_a_file_is_called_and_how_its_lines_end(
    tmp_path, monkeypatch, name, command, ends, first, last
):
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    old = first + ends.join(("import random", "", "x = random.random()", "print(x)")) + last
    new = old.replace("import random", f"import random{ends}random.seed(1)")
    path, patch = tmp_path / "project" / name, tmp_path / "fix.diff"
    path.parent.mkdir(parents=True)
    path.write_bytes(old.encode())
    patch.write_bytes(diff({name: old}, {name: new}).encode())
    done = subprocess.run([*command, patch], cwd=tmp_path / "project", capture_output=True)
    assert (done.returncode, path.read_bytes()) == (0, new.encode()), done
