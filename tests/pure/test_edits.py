"""Changing the user's own lines: what is changed is what was asked for, and nothing else."""

import ast
import threading
import time

import pytest
from detaudit.commands.run import edits, imports
from detaudit_probes import sources
from detaudit_probes.declare import Edit
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = '''#!/usr/bin/env python
"""Träning."""
from __future__ import annotations

import numpy as np
import keras, os
import tensorflow as tf

rng = np.random.default_rng()
for name in os.listdir("/data"):  # größe
    print(name)
ds = ds.map(f, num_parallel_calls=8).map(
    g,
    deterministic=False,
)
'''


def line(text):
    return next(number for number, one in enumerate(SCRIPT.splitlines(), 1) if text in one)


def changed(edit, *lines):
    return edits.apply(SCRIPT, edit, lines, 7)


def difference(new):
    old = SCRIPT.splitlines()
    assert ast.parse(new)
    return [one for one in new.splitlines() if one not in old]


def test_a_seed_comes_behind_the_import_under_the_name_that_the_script_gave():
    new = changed(Edit("insert", ("numpy.random.seed({seed})",), after=("numpy",)))
    assert difference(new) == ["np.random.seed(7)"]
    assert "import tensorflow as tf\n\nnp.random.seed(7)\n\nrng" in new
    assert difference(
        changed(Edit("insert", ("keras.utils.set_random_seed({seed})",), after=("keras",)))
    ) == ["keras.utils.set_random_seed(7)"]


def test_lines_at_the_top_come_behind_the_docstring_and_the_future():
    new = changed(Edit("insert", ("import random", "random.seed({seed})"))).splitlines()
    assert new[0].startswith("#!") and new[3:7] == ["", "import random", "", "import numpy as np"]
    assert new[new.index("import tensorflow as tf") + 2] == "random.seed(7)"
    assert edits.apply("#!/bin/x\nx = 1\n", Edit("insert", ("y",)), (), 1).splitlines() == [
        "#!/bin/x",
        "y",
        "x = 1",
    ]


def test_an_import_from_a_module_gets_an_import_of_its_own():
    new = edits.apply(
        "from keras import layers\n", Edit("insert", ("keras.utils.f()",), after=("keras",)), (), 1
    )
    assert new == "import keras\nfrom keras import layers\n\nkeras.utils.f()\n"


def test_what_an_insertion_imports_itself_keeps_its_name():
    edit = Edit("insert", ("import tensorflow", "tensorflow.f()"), after=("keras",))
    assert (
        edits.apply("import keras as k\n", edit, (), 1)
        == "import keras as k\nimport tensorflow\n\ntensorflow.f()\n"
    )


def test_an_import_that_is_a_choice_is_followed_behind_all_of_it():
    edit = Edit("insert", ("keras.f()",), after=("keras",))
    text = "if old:\n    import keras as k\nelse:\n    from tensorflow import keras as k\n"
    assert edits.apply(text + "x = 1\n", edit, (), 1) == text + "\nk.f()\nx = 1\n"
    assert edits.apply(text + "import keras\n", edit, (), 1) == text + "import keras\n\nkeras.f()\n"
    assert edits.apply("def f():\n    import keras\n", edit, (), 1) is None


def test_an_insertion_that_fits_nowhere_is_none():
    assert changed(Edit("insert", ("jax.f()",), after=("jax",))) is None
    assert edits.apply("def f(:\n", Edit("insert", ("x",)), (), 1) is None


def test_a_call_is_wrapped_at_its_line_and_nowhere_else():
    edit = Edit("wrap", calls=("listdir",), form="sorted({call})")
    assert difference(changed(edit, line("listdir"))) == [
        'for name in sorted(os.listdir("/data")):  # größe'
    ]
    assert changed(edit, line("default_rng")) is None
    edit = Edit("wrap", calls=("start",), form="{call}\n{owner}.join()")
    text = "for t in some:\n    t.start()\n    start()\n"
    assert (
        edits.apply(text, edit, (2, 3), 1)
        == "for t in some:\n    t.start()\n    t.join()\n    start()\n"
    )


def test_an_argument_is_added_set_and_taken_away():
    assert difference(
        changed(Edit("add", calls=("default_rng",), form="{seed}"), line("default_rng"))
    ) == ["rng = np.random.default_rng(7)"]
    for call in (
        "default_rng(None)",
        "default_rng(seed)",
        "default_rng(seed=given)",
    ):  # observed to draw: it was None
        new = call.replace("None", "7")
        for name in ("seed)", "given)"):
            own = name[:-1]
            new = new.replace(name, f"7 if {own} is None else {own})")
        assert (
            edits.apply(f"r = {call}", Edit("add", calls=("default_rng",), form="{seed}"), (1,), 7)
            == f"r = {new}"
        )
    # A number is a seed that the user has given: it stays.
    assert (
        edits.apply("a, b = r(7), r()", Edit("add", calls=("r",), form="{seed}"), (1,), 1)
        == "a, b = r(7), r(1)"
    )
    text = "random.seed(); np.random.seed()"
    assert edits.apply(text, Edit("add", calls=("np.random.seed",), form="{seed}"), (1,), 1) == (
        "random.seed(); np.random.seed(1)"
    )
    assert (
        edits.apply("f(a, seed=b)", Edit("add", calls=("f",), form="c=1"), (1,), 7)
        == "f(a, seed=b, c=1)"
    )
    assert (
        edits.apply("p = g(Q(x, w=4))", Edit("set", form="w", value="1"), (1,), 7)
        == "p = g(Q(x, w=1))"
    )
    edit = Edit("first", calls=("ThreadPool",), value="1")
    assert (
        edits.apply("with ThreadPool(4, f) as p: pass", edit, (1,), 7)
        == "with ThreadPool(1, f) as p: pass"
    )
    assert edits.apply("p = ThreadPool()", edit, (1,), 7) is None
    edit = Edit("set", calls=("map",), form="num_parallel_calls")
    assert difference(changed(edit, line("parallel"))) == ["ds = ds.map(f).map("]
    edit = Edit("set", calls=("map",), form="deterministic", value="True")
    assert difference(changed(edit, line("deterministic"))) == ["    deterministic=True,"]
    assert edits.apply("f(a=1, b=2)", Edit("set", calls=("f",), form="a"), (1,), 1) == "f(b=2)"


def test_a_call_is_renamed():
    edit = Edit("rename", calls=("imap_unordered",), form="imap")
    assert (
        edits.apply("for r in pool.imap_unordered(f, x): pass", edit, (1,), 1)
        == "for r in pool.imap(f, x): pass"
    )
    edit = Edit("rename", calls=("of_chance",), form="from_seed({seed})")
    assert (
        edits.apply("g = Generator.of_chance(alg=1).split()", edit, (1,), 3)
        == "g = Generator.from_seed(3).split()"
    )
    edit = Edit("rename", calls=("as_completed",), form="list({arguments})")
    assert (
        edits.apply("for r in as_completed(jobs): pass", edit, (1,), 1)
        == "for r in list(jobs): pass"
    )


def test_line_ends_form_feeds_and_comments_are_left_as_they_are():
    edit = Edit("insert", ("keras.utils.f()",), after=("keras",))
    assert (
        edits.apply("import keras\r\nx = 1\r\n", edit, (), 1)
        == "import keras\r\n\r\nkeras.utils.f()\r\nx = 1\r\n"
    )
    assert edits.apply("x = 1\n\x0c\nimport keras\n", edit, (), 1).endswith(
        "import keras\n\nkeras.utils.f()\n"
    )
    cut = edits.apply(
        "ds.map(f,  # a, b\n n=4)\n", Edit("set", calls=("map",), form="n"), (1, 2), 1
    )
    assert cut is None or ast.parse(cut)


def test_sets_that_are_iterated_and_hashes_are_candidates():
    text = "words = set(a)\nfor w in words: pass\nif w in words: pass\nx = hash(w)\ny = sorted(words)\nz = list({1})\n"
    found = [edits.source_of(text, one) for one in edits.hash_ordered(text)]
    assert found[:3] == ["hash(w)", "words", "{1}"]
    new = edits.without_hash_seed(text, edits.hash_ordered(text)[:2])
    assert "zlib.crc32(repr(w).encode())" in new and "in sorted(words): pass\nif w in words" in new
    assert new.startswith("import zlib\n\nwords")
    new = edits.without_hash_seed(text, [edits.hash_ordered(text)[2]])
    assert new.endswith("z = sorted({1})\n")  # not list(sorted(...))


IMPORTS = """import argparse
import os

import numpy as np
from keras import layers

from . import data

os.environ["A"] = "1"
import tensorflow as tf


def main():
    pass
"""


@pytest.mark.parametrize(
    ("text", "lines", "after", "expected"),
    [
        # A new seed goes next to another one
        (
            "import random\n\nrandom.seed(1)\n",
            ("import random", "b.seed()"),
            (),
            "import random\n\nb.seed()\nrandom",
        ),
        # What Python has is sorted into its section, and calls stand below all imports
        (IMPORTS, ("import random", "random.f()"), (), "import os\nimport random\n\nimport numpy"),
        (
            "import PIL\nimport sys\n",
            ("import random", "f()"),
            (),
            "import random\nimport sys\n\nf()",
        ),
        ("x = 1\n", ("import random", "f()"), (), "import random\n\nf()\nx = 1\n"),
        # A framework stays below what is set for it
        (IMPORTS, ("import torch", "torch.f()"), (), "as tf\nimport torch\n\ntorch.f()\n\n\ndef"),
        (IMPORTS, ("numpy.f()",), ("numpy",), "import tensorflow as tf\n\nnp.f()\n\n\ndef main"),
        (IMPORTS, ("tf.f()",), ("tensorflow",), "import tensorflow as tf\n\ntf.f()\n\n\ndef main"),
        (
            'import os\nos.environ["KERAS_BACKEND"] = "jax"\nfrom keras import layers\n',
            ("keras.f()",),
            ("keras",),
            '"jax"\nimport keras\nfrom keras import layers\n\nkeras.f()\n',
        ),
        (
            "import settings\nfrom keras import layers\n",
            ("keras.f()",),
            ("keras",),
            "import settings\nimport keras\nfrom keras import layers\n\nkeras.f()\n",
        ),
        (
            "import os\n",
            ("import torch", "torch.f()"),
            (),
            "import os\n\nimport torch\n\ntorch.f()",
        ),
        ("x = 1\n", ("import torch", "torch.f()"), (), "import torch\n\ntorch.f()\nx = 1\n"),
        # A name that stands for something else afterwards
        (
            "from random import random\n",
            ("import random", "random.f()"),
            (),
            "random\nrandom.f()\nfrom",
        ),
        # Imports that are none when the script runs
        (
            "import sys\nif TYPE_CHECKING:\n    import random\n",
            ("import random", "random.f()"),
            (),
            "import random\nimport sys\n",
        ),
        (
            "import keras\nif __name__ == '__main__':\n    import random\n    main()\n",
            ("import random", "random.f()"),
            (),
            "import random\n\nimport keras\n\nrandom.f()\nif __name__",
        ),
        (
            "import keras\ntry:\n    import wandb\n    train()\nfinally:\n    end()\n",
            ("keras.f()",),
            ("keras",),
            "import keras\n\nkeras.f()\ntry",
        ),
        # Comments of a statement, a file and a cell; several statements on a line
        (
            "# a\n# b\nimport sys\n",
            ("import random", "f()"),
            (),
            "# a\n# b\nimport random\nimport sys",
        ),
        (
            "import os\n\n# for sys\nimport sys\n",
            ("import zlib", "f()"),
            (),
            "import os\nimport zlib\n\n# for sys",
        ),
        (
            "x = 1\n# %% imports\nimport sys\n",
            ("import random",),
            (),
            "# %% imports\nimport random\nimport sys",
        ),
        (
            "import numpy as np; x = [\n    1,\n]\ny = 1\n",
            ("numpy.f()",),
            ("numpy",),
            "]\n\nnp.f()\ny = 1\n",
        ),
        (
            "from __future__ import annotations; import os\n",
            ("import random", "f()"),
            (),
            "os\nimport random\n\nf()",
        ),
    ],
)
def test_new_imports_are_sorted_in_and_seeds_are_set_below_the_imports(
    text, lines, after, expected
):
    new = edits.insert(text, lines, after)
    assert expected in new and compile(new, "train.py", "exec")


def test_an_early_insertion_comes_before_the_imports_below():
    new = edits.insert(IMPORTS, ("numpy.f()",), ("numpy",), early=True)
    assert "import numpy as np\nnp.f()\nfrom keras import layers\n" in new
    new = edits.insert(IMPORTS, ("import random", "random.f()"), (), early=True)
    assert new.startswith("import random\nrandom.f()\nimport argparse\n")


@given(
    st.sampled_from(
        [
            edit
            for source, _ in sources.declared(sources.SCRIPT_MODULES).values()
            if source.script
            for edit in source.script.edits
            if edit.kind != "order"
        ]
    ),
    st.integers(1, len(SCRIPT.splitlines())),
)
def test_whatever_is_edited_still_parses(edit, number):
    new = changed(edit, number)
    assert new is None or ast.parse(new)


def test_every_declared_edit_is_of_a_known_kind():
    kinds = {
        edit.kind
        for source, _ in sources.declared(sources.SCRIPT_MODULES).values()
        for edit in (*source.edits, *(source.script.edits if source.script else ()))
    }
    assert kinds <= {
        "insert",
        "wrap",
        "add",
        "set",
        "give",
        "first",
        "attribute",
        "rename",
        "order",
        "seed",
        "stream",
        "generator",
        "ordered set",
        "numbers",
        "rounds",
    }


def test_every_pin_that_is_tried_belongs_to_one_source_that_says_so():
    pins = [
        source.script.pin
        for source, _ in sources.declared(sources.SCRIPT_MODULES).values()
        if source.script
    ]
    assert sorted(pins) == sorted(sources.SCRIPT_PINS)
    assert all(name in sources.pins(sources.SCRIPT_MODULES) for name in pins)


def applied(text, edit, at=1):
    new = edits.apply(text, edit, [at], 7)
    assert new is None or ast.parse(new)
    return new


ADD = Edit("add", calls=("f",), form="seed={seed}")


def test_a_keyword_comes_behind_the_last_argument_whatever_stands_before_the_bracket():
    assert applied("f(a,)\n", ADD) == "f(a, seed=7)\n"
    assert applied("f(a, )\n", ADD) == "f(a, seed=7 )\n"
    assert applied("f(\n    a,  # größe (one)\n)\n", ADD) == "f(\n    a, seed=7  # größe (one)\n)\n"
    assert applied("f(\n    a  # one, two\n)\n", ADD) == "f(\n    a, seed=7  # one, two\n)\n"
    assert applied("f((a))\n", ADD) == "f((a), seed=7)\n"
    assert applied("f(b=(1))\n", ADD) == "f(b=(1), seed=7)\n"
    assert applied("f(*a, **b)\n", ADD) == "f(*a, **b, seed=7)\n"
    assert applied("f()\n", ADD) == "f(seed=7)\n"
    assert applied("f(  # none\n)\n", ADD) == "f(  # none\nseed=7)\n"
    assert applied('é = f(\'ü\', """ä\n)""",)\n', ADD) == 'é = f(\'ü\', """ä\n)""", seed=7)\n'


def test_a_generator_that_shared_the_brackets_of_the_call_gets_its_own():
    assert applied("f(x for x in y)\n", ADD) == "f((x for x in y), seed=7)\n"
    assert applied("f((x for x in y))\n", ADD) == "f((x for x in y), seed=7)\n"


def test_an_argument_without_a_name_comes_before_those_with_one():
    add = Edit("add", calls=("f",), form="{seed}")
    assert applied("f(size=3)\n", add) == "f(7, size=3)\n"
    assert applied("f(**options)\n", add) == "f(7, **options)\n"


def test_a_keyword_is_taken_away_with_its_comma_and_no_comment_is_cut():
    away = Edit("set", calls=("f",), form="n")
    assert applied("f(a, n=8)\n", away) == "f(a)\n"
    assert applied("f(n=8, b=1)\n", away) == "f(b=1)\n"
    assert applied("f(a, n=8, )\n", away) == "f(a, )\n"
    assert applied("f(a,  # one,\n  n=8)\n", away) == "f(a,  # one,\n  )\n"
    assert applied("f(a, n=8  # why, now\n)\n", away) == "f(a  # why, now\n)\n"
    assert applied("f(n=8)\n", away) == "f()\n"


JOIN = Edit("wrap", calls=("start",), form="{call}\n{owner}.join()")


def test_what_is_started_is_what_is_joined():
    assert applied("t.start()\n", JOIN) == "t.start()\nt.join()\n"
    assert applied("self.t[0].start()\n", JOIN) == "self.t[0].start()\nself.t[0].join()\n"
    assert edits.apply("if é:\r\n\tt.start()  # é\r\n", JOIN, (2,), 1) == (
        "if é:\r\n\tt.start()\r\n\tt.join()  # é\r\n"
    )
    assert applied("if a: t.start()\n", JOIN) == "if a: (t.start(), t.join())\n"
    inside = "[\n    t.start()\n    for t in a\n]\n"
    assert edits.apply(inside, JOIN, (2,), 1) == inside.replace(
        "t.start()", "(t.start(), t.join())"
    )
    assert applied("[t.start() for t in a]\n", JOIN) == "[(t.start(), t.join()) for t in a]\n"
    new = applied("Thread(target=f, args=(1,)).start()\n", JOIN)
    assert new == "(thread := Thread(target=f, args=(1,))).start()\nthread.join()\n"
    assert applied("thread = 1; Thread(g).start()\n", JOIN).endswith(
        "((thread_2 := Thread(g)).start(), thread_2.join())\n"
    )
    assert applied("start()\n", JOIN) is None


def test_a_thread_that_was_never_named_is_joined_really():
    done = []
    new = applied("Thread(target=lambda: (sleep(0.05), done.append(1))).start()\n", JOIN)
    exec(new, {"Thread": threading.Thread, "sleep": time.sleep, "done": done})
    assert done == [1]


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (
            "import os\nimport secrets\n\nx = secrets.randbits(3)\n",
            "secrets.randbits(3)",
            "1",
            "import os\n\nx = 1\n",
        ),
        (
            "from uuid import UUID, uuid4\n\nx = uuid4()\ny = UUID\n",
            "uuid4()",
            "1",
            "from uuid import UUID\n\nx = 1\ny = UUID\n",
        ),
        (
            '"""Doc."""\n\nimport time\n\nimport keras\n\nkeras.x(time.time())\n',
            "time.time()",
            "1",
            '"""Doc."""\n\nimport keras\n\nkeras.x(1)\n',
        ),
        ("import time\nx = time.time()\n", "time.time()", "1", "x = 1\n"),
        (
            "import time  # noqa\nx = f(time.time(), time)\n",
            "time.time()",
            "1",
            "import time  # noqa\nx = f(1, time)\n",
        ),
        (
            "import time; import os\nx = time.time()\n",
            "time.time()",
            "1",
            "import time; import os\nx = 1\n",
        ),
        ("import time, os\nx = time.time()\nos\n", "time.time()", "1", "import os\nx = 1\nos\n"),
    ],
)
def test_an_import_that_a_change_leaves_unused_goes(before, old, new, after):
    assert imports.without_unused(before, before.replace(old, new)) == after


def test_an_import_that_other_text_uses_stays():
    before = "import time\nx = time.time()\n"
    after = before.replace("time.time()", "1")
    assert imports.without_unused(before, after, "print(time)") == after


@pytest.mark.parametrize("name", ["deterministic", "experimental_deterministic"])
def test_an_attribute_of_the_options_that_a_call_is_given_is_changed(name):
    edit = Edit("attribute", calls=("with_options",), form="deterministic", value="True")
    text = f"o = Options()\no.{name} = False\np.{name} = False\nds = ds.with_options(o)\n"
    assert edits.apply(text, edit, [4], 1) == text.replace("False", "True", 1)
    assert edits.apply(text, edit, [1], 1) is None
