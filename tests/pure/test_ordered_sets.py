"""Sets of objects keep the order of insertion, as dictionaries do, and ``id`` becomes a number."""

import pytest
from detaudit.commands.run import numbering, ordered_sets


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
    ],
)
def test_a_set_becomes_the_keys_of_a_dictionary(before, lines, after):
    found = ordered_sets.with_dictionaries(before + "\n", lines)
    assert found == after + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "s = set(a)\nlist(s | other)",
        "s = set(a)\ns |= b\nlist(s)",
        "s = set(a)\nlist(s.union(b))",
        "s = set(a)\nx = s.add(b) or list(s)",
        "s = set(a)\nfirst = s.pop()",
        "s = set(a)\nif s == {x, y}: f(list(s))",
        "s = set(a)\nif s <= t: f(list(s))",
        "s = set(a)\nprint(isinstance(s, set), list(s))",
        "s = set(a)\nlist(s)\ns = []\ns.append(1)",
        "class A:\n    all = set()\n    def f(self): list(self.all)",
        "s = set(a)\nmethod = s.add\nlist(s)",
        "rows = list(nodes)\nlist(rows)",
        "s = (",
    ],
)
def test_what_a_dictionary_cannot_do_stays(text):
    assert ordered_sets.with_dictionaries(text + "\n", [2]) is None


def test_sets_inside_each_other_stay():
    assert ordered_sets.with_dictionaries("s = {f(x) for x in set(a)}\n", [1]) is None


def test_only_sets_that_the_lines_make_or_use_are_changed():
    text = "names = set(a)\nnodes = set(b)\nfor one in nodes:\n    f(one)\n"
    assert ordered_sets.with_dictionaries(text, [3]).startswith(
        "names = set(a)\nnodes = dict.fromkeys(b)\n"
    )


def test_an_attribute_of_another_class_stays():
    made = "class {}:\n    def __init__(self):\n        self.all = {}\n    def f(self, x):\n        {}\n"
    other = made.format("B", "{}", "self.all.update(x)")
    mine = made.format("A", "set()", "return list(self.all)")
    found = ordered_sets.with_dictionaries(other + mine, [10])
    assert found == other + mine.replace("set()", "{}")


def test_numbers_are_those_of_objects_and_not_of_values():
    text = "a, b = (1, [2]), (1, [2])\nkeys = [id(a), id(b), id(a)]\n"
    values = {}
    exec(compile(numbering.with_numbers(text, ("id",), [2]), "", "exec"), values)
    assert values["keys"] == [0, 1, 0]
    own = "class A:\n    def __hash__(self):\n        return id(self)\n"
    assert numbering.with_numbers(own, ("id",), [3]) is None


def test_objects_are_numbered_in_the_order_in_which_they_are_asked_for():
    text = "class A: pass\nthings = [A() for _ in range(9)]\nkeys = [hash(one) % 5 for one in things]\n"
    found = numbering.with_numbers(text, ("id", "hash"), [3])
    values = {}
    exec(compile(found, "", "exec"), values)
    assert values["keys"] == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert numbering.with_numbers(text, ("id", "hash"), [2]) is None
