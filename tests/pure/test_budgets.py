"""A limit in seconds becomes a number of rounds, where the clock decides that a loop ends."""

import pytest
from detaudit.commands.run import budgets
from detaudit_probes.sources import wall_clock

(EDIT,) = wall_clock.SOURCE.edits
BEGUN = "import time\nend = time.monotonic() + 8\n"

CALLBACK = """import time
class Budget(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.end = time.time() + 3
    def on_train_batch_end(self, batch, logs=None):
        if time.time() > self.end:
            self.model.stop_training = True
"""


def changed(text, checks, begun=1, first=2):
    lines = [n for n, line in enumerate(text.splitlines(), 1) if "time." in line]
    draws = {line: begun if line == first else checks for line in lines}
    return budgets.in_rounds(text, EDIT.calls, draws)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BEGUN + "while time.monotonic() < end:\n    f()\n", "for _ in range(40):\n    f()\n"),
        (
            "import time\nstart = time.time()\nwhile time.time() - start < 3:\n    f()\n",
            "for _ in range(40):\n    f()\n",
        ),
        (BEGUN + "while end - time.monotonic() > 0:\n    f()\n", "for _ in range(40):\n    f()\n"),
        (BEGUN + "while end > time.monotonic():\n    f()\n", "for _ in range(40):\n    f()\n"),
        (
            BEGUN
            + "for i in range(999):\n    if time.monotonic() > end:\n        break\n    f()\n",
            "for i in range(999):\n    if i >= 40:\n        break\n    f()\n",
        ),
    ],
)
def test_a_loop_ends_after_its_rounds(before, after):
    assert changed(before, 41).removeprefix("import time\n") == after


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (
            BEGUN
            + "while True:\n    f()\n    if time.monotonic() > end or done():\n        break\n",
            41,
        ),
        (
            BEGUN + "for i in range(999):\n    f()\n    if i % 2 == 0:\n"
            "        if time.monotonic() > end:\n            break\n",
            81,
        ),
        (
            BEGUN + "over = False\nfor epoch in range(99):\n    for i in range(7):\n        f()\n"
            "        if time.monotonic() > end:\n            over = True\n            break\n"
            "    if over:\n        break\n",
            41,
        ),
        (
            "import time\nend = time.time() + 3\nwhile True:\n    f()\n"
            "    left = end - time.time()\n    if left < 0:\n        break\n",
            41,
        ),
        (
            "import time\ndef g(end):\n  for i in range(99):\n    f()\n    if time.time() > end:\n      break\ng(3)\n",
            41,
        ),
    ],
)
def test_as_many_rounds_are_made_as_in_the_run(text, calls):
    rounds = []
    values = {"f": lambda: rounds.append(1), "done": lambda: False}
    exec(compile(changed(text, 41), "", "exec"), values)
    assert len(rounds) == calls


def test_a_limit_that_is_set_again_counts_its_own_rounds():
    text = (
        "import time\ndef train():\n    end = time.time() + 3\n    while True:\n        f()\n"
        "        if time.time() > end:\n            break\ntrain()\ntrain()\n"
    )
    rounds = []
    exec(compile(changed(text, 80, 2, first=3), "", "exec"), {"f": lambda: rounds.append(1)})
    assert len(rounds) == 80


def test_only_a_line_that_gives_the_time_goes():
    text = BEGUN + "path = save(model, time.time())\nwhile time.monotonic() < end:\n    f()\n"
    draws = {2: 1, 3: 1, 4: 41}
    found = budgets.in_rounds(text, EDIT.calls, draws)
    assert (
        "path = save(model, time.time())\nfor _ in range(40):\n" in found and "end =" not in found
    )
    kept = budgets.in_rounds(
        BEGUN + "while (time.monotonic() < end):\n    f()\n",
        EDIT.calls,
        {2: 1, 3: 41},
        "print(end)",
    )
    assert kept == BEGUN + "for _ in range(40):\n    f()\n"


def test_a_check_that_ends_nothing_stays():
    text = (
        BEGUN
        + "while time.monotonic() < end:\n    if time.monotonic() > later:\n        print(1)\n    f()\n"
    )
    found = changed(text, 41)
    assert "for _ in range(40):\n    if time.monotonic() > later:" in found


@pytest.mark.parametrize("begun", [1, 3])
def test_a_callback_of_keras_counts_the_steps_of_its_model(begun):
    found = changed(CALLBACK, 120, begun, first=4)
    assert f"        if self.model.optimizer.iterations >= {120 // begun}:\n" in found


@pytest.mark.parametrize(
    "text",
    [
        "import time\nbegan = time.time()\nprint(time.time() - began)\n",
        BEGUN + "while time.monotonic() < end:\n    f()\nelse:\n    g()\n",
        BEGUN
        + "while time.monotonic() < end:\n    if time.monotonic() > end - 1:\n        break\n",
        BEGUN + "if time.monotonic() == end:\n    f()\n",
        BEGUN + "while True:\n    f()\n    if done() or time.monotonic() > end:\n        break\n",
        CALLBACK.replace("on_train_batch_end", "on_epoch_end"),
        "import time\nfor i in range(9):\n    if time.time() - last > 1:\n        for x in y:\n            break\n",
        "import time\nwhile (\n",
    ],
)
def test_any_other_use_of_the_clock_stays(text):
    assert changed(text, 41) is None


def test_a_check_that_was_made_once_is_no_loop():
    assert changed(BEGUN + "while time.monotonic() < end:\n    f()\n", 1) is None
