"""The words on the screen and in the code: no string of the engine has a retired phrase, and no
docstring or comment of the engine and the guest.
"""

import ast
import io
import json
import tokenize
from itertools import groupby
from pathlib import Path

import pytest

from tests.pure import golden, retired

ROOT = Path(__file__).parents[2]
ENGINE, GUEST = ROOT / "audit" / "detaudit", ROOT / "probes" / "detaudit_probes"
SCHEMA = ROOT / "docs" / "reference" / "report.schema.json"
#: What ``noqa`` and ``type: ignore`` say is not prose.
PRAGMAS = ("noqa", "type:")
FILES = sorted(ENGINE.rglob("*.py"))
GOLDEN = sorted(golden.FOLDER.glob("*.*"))


def strings(source: str) -> list[str]:
    """The string literals of a module, without docstrings; a formatted value is an ellipsis."""
    tree = ast.parse(source)
    parts, found = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(node.value)
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            texts = [
                one.value if isinstance(one, ast.Constant) else "\N{HORIZONTAL ELLIPSIS}"
                for one in node.values
            ]
            found.append("".join(texts))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            found.append(node.value)
    return found


def prose(source: str) -> list[str]:
    """Return the docstrings of a module, and its comments; those on consecutive lines are one."""
    docstrings = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    lines = enumerate(
        token for token in comments if not token.string[1:].strip().startswith(PRAGMAS)
    )
    blocks = groupby(lines, lambda line: (line[1].start[0] - line[0], line[1].start[1]))
    texts = [" ".join(token.string.lstrip("#: ") for _, token in block) for _, block in blocks]
    return docstrings + texts


def descriptions(schema) -> list[str]:
    """Return every description in a JSON Schema."""
    if isinstance(schema, list):
        return [text for part in schema for text in descriptions(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["description"]] if isinstance(schema.get("description"), str) else []
    return own + [text for part in schema.values() for text in descriptions(part)]


@pytest.mark.parametrize("folder", [ENGINE, GUEST], ids=["engine", "guest"])
def test_no_docstring_and_no_comment_has_a_retired_phrase(folder):
    found = [
        f"{path.relative_to(folder)}: {phrase}"
        for path in sorted(folder.rglob("*.py"))
        for text in prose(path.read_text("utf-8"))
        for phrase in retired.found_in_prose(text)
    ]
    assert not found


def test_no_description_of_the_report_has_a_retired_phrase():
    texts = descriptions(json.loads(SCHEMA.read_text("utf-8")))
    assert len(texts) > 30
    assert not [phrase for text in texts for phrase in retired.found_in_prose(text)]


def test_docstrings_and_comments_are_found_and_strings_are_not():
    source = '''
def pairs():
    """Count pairs that
    agree."""
    # It is held by
    # a pin.
    x = "the runs part"  # loose runs
    return x  # type: ignore
'''
    texts = prose(source)
    assert texts == ["Count pairs that\n    agree.", "It is held by a pin.", "loose runs"]
    assert all(retired.found_in_prose(text) for text in texts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_no_string_of_the_engine_has_a_retired_phrase(path):
    found = [phrase for text in strings(path.read_text("utf-8")) for phrase in retired.found(text)]
    assert not found


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_no_golden_file_has_a_retired_phrase(path):
    assert not retired.found(path.read_text("utf-8"))


def test_strings_are_found_and_docstrings_are_not():
    source = '"""The runs part."""\nx = f"{n} pairs " f"part"\ny = ("it is held " "by a pin")\n'
    assert strings(source) == ["\N{HORIZONTAL ELLIPSIS} pairs part", "it is held by a pin"]
    assert all(retired.found(text) for text in strings(source))


@pytest.mark.parametrize(
    "sentence",
    [
        "2 of 2 pairs part, pinned 0 of 2.",
        "2 of 2 loose pairs of mlp part",
        "two runs of one and the same program part",
        "Runs agree to the last bit.",
        "The runs match\nto the last\nbit.",
        "A recipe holds on every model.",
        "It is held by pools of one thread; one thread holds it.",
        "That was seen in bare runs.",
        "each of them repeats itself",
        "one thread a core.",
        "it was born there: the batches were equal before",
        "it came in with the data",
        "strict: the result rests on the hash seed",
        "To go on, paste this line:",
        "--resume goes on with one scan",
        "with these pins the weights stand still",
        "The working folder is not there any more",
        "SIGKILL (killed, perhaps for want of memory)",
        "too few to tell its pin from luck",
        "os-entropy will do too, and is faster",
        "Variables that bear on reproducibility",
        "1 runs so far",
        "1 of 1,024 elements differ, by up to 1 ULP",
        "All 2 pairs of runs of train.py differ.",
        "runs differ if any one of the 2 pins is removed",
        "it gives different results: 4 distinct of 10 replays",
        "no difference in 5 pairs (rates above 45% excluded)",
        "README.md is a file of the program. Name another one.",
        "Give --python the path of one.",
        "it originates there: the batches were equal before",
        "os-entropy works as well, at 0.80x the time",
        "7 pinned by the recipe, 6 by others",
        "attach this report to a bug issue",
        "prefer numbered files and given seeds",
        "two runs of the same program differ",
    ],
)
def test_a_retired_phrase_is_found(sentence):
    assert retired.found(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "All 3 pairs of runs differ. With the fix they are bitwise identical.",
        "a part of a model that uses randomness",
        "`--resume FILE` continues an interrupted audit",
        "the folder holds the traces",
        "within noise (0.95x to 1.13x)",
        "1 of 5 pairs differs; 0 of 2,001 runs, 21 pairs, 0.1 pairs",
        "All 20 pairs of runs differ. Both pairs of runs differ.",
    ],
)
def test_plain_words_are_no_retired_phrase(sentence):
    assert not retired.found(sentence)
