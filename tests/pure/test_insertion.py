"""Sets of objects keep the order of insertion, as dictionaries do, and ``id`` becomes a number."""

import pytest
from detaudit.commands.run import insertion


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        (
            "for one in {S(i) for i in x}: f(one)",
            [1],
            "for one in dict.fromkeys(S(i) for i in x): f(one)",
        ),
        ("rows = list({first, second})", [1], "rows = list(dict.fromkeys([first, second]))"),
        ("rows = list(set(nodes))", [1], "rows = list(dict.fromkeys(nodes))"),
        (
            "seen = set()\nseen.add(a)\nfor b in seen: f(b)",
            [2],
            "seen = {}\nseen[a] = None\nfor b in seen: f(b)",
        ),
        (
            "s = set(a)\ns.update(b)\ns.discard(c)\nlist(s)",
            [4],
            "s = dict.fromkeys(a)\ns.update(dict.fromkeys(b))\ns.pop(c, None)\nlist(s)",
        ),
        (
            "s = set()\ns.add(a)\ns.remove(a)\nprint(len(s), a in s)",
            [2],
            "s = {}\ns[a] = None\ndel s[a]\nprint(len(s), a in s)",
        ),
        ("s: set[Node] = set()\ns.add(a)", [2], "s: dict[Node, None] = {}\ns[a] = None"),
        (
            "class G:\n    def __init__(self):\n        self.all = set()\n"
            "    def put(self, x):\n        self.all.add(x)",
            [5],
            "class G:\n    def __init__(self):\n        self.all = {}\n"
            "    def put(self, x):\n        self.all[x] = None",
        ),
        ("x = set(a)\n\ndef f():\n    x = set(b)\n    return list(x)", [5], None),
    ],
)
def test_a_set_becomes_the_keys_of_a_dictionary(before, lines, after):
    found = insertion.in_order(before + "\n", lines)
    if after is not None:
        assert found == after + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "s = set(a)\nlist(s | other)",
        "s = set(a)\ns |= b\nlist(s)",
        "s = set(a)\nlist(s.union(b))",
        "s = set(a)\nx = s.add(b) or list(s)",
        "s = set(a)\nfirst = s.pop()",
        "s = set(a)\nmethod = s.add\nlist(s)",
        "rows = list(nodes)\nlist(rows)",
        "s = (",
    ],
)
def test_what_a_dictionary_cannot_do_stays(text):
    assert insertion.in_order(text + "\n", [2]) is None


def test_only_sets_that_the_lines_make_or_use_are_changed():
    text = "names = set(a)\nnodes = set(b)\nfor one in nodes:\n    f(one)\n"
    assert insertion.in_order(text, [3]).startswith("names = set(a)\nnodes = dict.fromkeys(b)\n")


def test_objects_are_numbered_in_the_order_in_which_they_are_asked_for():
    text = "class A: pass\nthings = [A() for _ in range(9)]\nkeys = [hash(one) % 5 for one in things]\n"
    found = insertion.numbered(text, ("id", "hash"), [3])
    values = {}
    exec(compile(found, "", "exec"), values)
    assert values["keys"] == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert insertion.numbered(text, ("id", "hash"), [2]) is None
