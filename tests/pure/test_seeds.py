"""A seed from the clock or from entropy becomes a constant; anything else from there does not."""

import re

import pytest
from detaudit.commands.run import seeds, streams
from detaudit_probes.sources import (
    clock,
    numpy_generator,
    os_entropy,
    python_random,
    tensorflow_seed,
)

CALLS = (*clock.SOURCE.script.edits[0].calls, *os_entropy.SOURCE.script.edits[0].calls)


def changed(text, draws=1):
    lines = {number: draws for number, line in enumerate(text.splitlines(), 1) if "(" in line}
    return seeds.with_constants(text, CALLS, lines, 7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seed = int(time.time())", "seed = 7"),
        ("SEED: int = time.time_ns() % 2**32", "SEED: int = 7"),
        ("np.random.seed(int(time()) % (2**31))", "np.random.seed(7)"),
        ("rng = np.random.default_rng(secrets.randbits(128))", "rng = np.random.default_rng(7)"),
        ("random.seed(os.urandom(16))", "random.seed(7)"),
        ("r = random.Random(uuid.uuid4().int)", "r = random.Random(7)"),
        ("k = KFold(3, shuffle=True, random_state=int(time.time()))", None),
        ("tf.random.set_seed(int.from_bytes(os.urandom(4), 'little'))", "tf.random.set_seed(7)"),
        (
            "key = jax.random.PRNGKey(int(datetime.now().timestamp()))",
            "key = jax.random.PRNGKey(7)",
        ),
        ("p.add_argument('--seed', type=int, default=int(time.time()))", None),
        ("torch.manual_seed(args.seed or int(time.time()))", "torch.manual_seed(args.seed or 7)"),
        ("config = {'seed': os.getpid(), 'n': 3}", "config = {'seed': 7, 'n': 3}"),
    ],
)
def test_a_seed_becomes_a_constant(before, after):
    after = after or before.replace("int(time.time())", "7")
    assert changed(before + "\n") == after + "\n"


def test_a_seed_from_two_calls_is_one_constant():
    before = "args.seed = (time.time_ns() // 1000 + os.getpid()) % (2**31)\n"
    assert changed(before, draws=2) == "args.seed = 7\n"


@pytest.mark.parametrize(
    "text",
    [
        "began = time.time()",
        "start = seed = int(time.time())",
        "seed = int(time.time())\nos.makedirs(f'runs/{seed}')",
        "seed = str(int(time.time()))",
        "p.add_argument('--seed-timeout', default=time.time() + 60)",
        "cache.key(time.time())",
        "seed_time = time.time()",
        "rng_started = time.time()",
        "config.seed_name = uuid.uuid4().hex",
        "noise = int.from_bytes(os.urandom(2), 'little') / 65536",
        "while time.time() - began < seconds: train()",
        "print(time.time())",
        "name = f'run-{uuid.uuid4().hex}'",
        "seed = int(time.time() - began)",
        "x = rng.normal(time.time())",
        "seed = (",
    ],
)
def test_what_is_no_seed_stays(text):
    assert changed(text + "\n") is None


def test_a_seed_that_is_made_again_and_again_stays_another_one():
    text = "def batch():\n    rng = np.random.default_rng(secrets.randbits(64))\n    return rng.normal()\n"
    found = seeds.with_constants(text, CALLS, {2: 9}, 7)
    assert "seeds = itertools.count(8)\n" in found
    assert "default_rng(next(seeds))" in found
    assert "default_rng(7)" in seeds.with_constants(text, CALLS, {2: 1}, 7)


def test_a_seed_that_is_the_same_in_all_of_a_run_may_be_made_again():
    text = "def batch():\n    return random.Random(os.getpid())\n"
    assert "Random(7)" in seeds.with_constants(text, CALLS, {2: 9}, 7)


def test_only_lines_that_drew_are_changed():
    text = "seed = int(time.time())\nother_seed = int(time.time())\n"
    assert seeds.with_constants(text, CALLS, {2: 1}, 7).startswith("seed = int(time.time())\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "stamp = time.time_ns()\nrng = default_rng(stamp)",
            "stamp = 7\nrng = default_rng(stamp)",
        ),
        (
            "run = uuid.uuid4()\nprint(run)\nrng = default_rng(run.int % 2**32)",
            "run = uuid.uuid4()\nprint(run)\nrng = default_rng(7)",
        ),
        (
            "run = uuid.uuid4().hex\nos.makedirs(run)\nseed = int(run, 16)",
            "run = uuid.uuid4().hex\nos.makedirs(run)\nseed = 7",
        ),
    ],
)
def test_a_seed_that_a_name_keeps_becomes_a_constant(before, after):
    assert seeds.with_constants(before + "\n", CALLS, {1: 1}, 7) == after + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "run = time.time()\nrun = 3\nrng = default_rng(run)",
        "run = time.time()\ndef f(run):\n    return default_rng(run)",
        "run = time.time()\nprint(run)",
        "run = time.time()\nx = rng.normal(run)",
    ],
)
def test_a_name_for_something_else_stays(text):
    assert seeds.with_constants(text + "\n", CALLS, {1: 1}, 7) is None


# A generator in place of entropy ------------------------------------------------------------------

ENTROPY = os_entropy.SOURCE.script.edits[1].calls


def streamed(text, draws=1):
    lines = {number: draws for number, line in enumerate(text.splitlines(), 1) if "(" in line}
    return streams.from_seed(text, ENTROPY, lines, 7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = os.urandom(n)", "x = entropy.randbytes(n)"),
        ("x = secrets.randbelow(9)", "x = entropy.randrange(9)"),
        ("x = secrets.choice(rows)", "x = entropy.choice(rows)"),
    ],
)
def test_a_seeded_generator_answers_in_place_of_entropy(before, after):
    assert streamed(before + "\n") == f"import random\n\nentropy = random.Random(7)\n{after}\n"


def test_ids_stay_different_and_become_the_same_in_every_run():
    text = "from uuid import uuid4\n\nids = [uuid4().hex for _ in range(5)]\n"
    outputs = []
    for _ in range(2):
        values = {}
        exec(compile(streamed(text), "", "exec"), values)
        outputs.append(values["ids"])
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0])) == 5


def test_a_generator_of_entropy_becomes_a_seeded_one():
    text = "import random\n\nrng = random.SystemRandom()\nrng.shuffle(x)\n"
    assert "rng = random.Random(" in streams.from_seed(text, ENTROPY, {4: 9}, 7)
    again = "import random\n\ndef f(x):\n    random.SystemRandom().shuffle(x)\n"
    assert "    entropy.shuffle(x)\n" in streams.from_seed(again, ENTROPY, {4: 9}, 7)
    other = "import random\n\nkeys = random.SystemRandom()\nrng.shuffle(x)\n"
    assert streams.from_seed(other, ENTROPY, {4: 9}, 7) is None


def test_two_generators_with_one_seed_keep_one():
    text = "run = time.time_ns()\nprint(run)\na = default_rng(run)\nb = default_rng(run)\n"
    found = seeds.with_constants(text, CALLS, {1: 1}, 7)
    assert found.endswith("a = default_rng(7)\nb = default_rng(7)\n")
    assert seeds.with_constants(text, CALLS, {1: 2}, 7) is None


@pytest.mark.parametrize(
    "text",
    [
        "x = os.urandom(secrets.randbelow(9))",
        "def f():\n    uuid = uuid4()\n    return uuid",
        "x = os.urandom(size=3)",
        "x = uuid.uuid4().hex + f(",
        "x = g(1)",
        "key = secrets.token_hex()",
    ],
)
def test_entropy_of_another_form_stays(text):
    assert streamed(text + "\n") is None


# Generators without a seed ------------------------------------------------------------------------

NUMPY = numpy_generator.SOURCE.script.edits[0]
PYTHON = python_random.SOURCE.script.edits[0]
TENSORFLOW = tensorflow_seed.SOURCE.script.edits[0]
AGAIN = """import numpy as np


def noise():
    rng = np.random.default_rng()
    return rng.normal()


rng = np.random.default_rng()
print([noise() for _ in range(9)], rng.normal())
"""


def test_a_generator_that_is_made_once_gets_a_constant():
    text = seeds.for_generators(AGAIN, NUMPY, {9: 1}, 1)
    assert text == AGAIN.replace(
        "\nrng = np.random.default_rng()", "\nrng = np.random.default_rng(1)"
    )


def test_generators_that_one_line_makes_again_and_again_get_different_seeds(capsys):
    text = seeds.for_generators(AGAIN, NUMPY, {5: 9, 9: 1}, 1)
    assert text.startswith(
        "import itertools\n\nimport numpy as np\n\nseeds = itertools.count(2)\n\n\ndef noise"
    )
    outputs = []
    for _ in range(2):
        exec(compile(text, "train.py", "exec"), {})
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    numbers = re.findall(r"-?\d+\.\d+", outputs[0])
    assert len(numbers) == len(set(numbers)) == 10


@pytest.mark.parametrize(
    ("edit", "call", "seeded"),
    [
        (PYTHON, "random.Random()", "random.Random(next(seeds))"),
        (PYTHON, "random.seed()", "random.seed(next(seeds))"),
        (
            TENSORFLOW,
            "tf.random.Generator.from_non_deterministic_state()",
            "tf.random.Generator.from_seed(next(seeds))",
        ),
    ],
)
def test_what_is_made_or_seeded_again_and_again_gets_different_seeds(edit, call, seeded):
    text = f"import x\n\n\ndef make():\n    return {call}\n"
    changed = seeds.for_generators(text, edit, {5: 3}, 1)
    assert f"    return {seeded}\n" in changed and "seeds = itertools.count(1)\n" in changed
    once = seeds.for_generators(text, edit, {5: 1}, 1)
    assert once == text.replace(call, seeded.replace("next(seeds)", "1"))


def test_names_and_imports_of_the_script_are_respected():
    text = "import itertools\nimport numpy as np\nseeds = 3\nfor k in range(3):\n    np.random.default_rng()\n"
    changed = seeds.for_generators(text, NUMPY, {5: 3}, 1)
    assert changed.count("import itertools") == 1
    assert "seeds_2 = itertools.count(1)" in changed and "default_rng(next(seeds_2))" in changed


def test_no_edit_fits_a_line_without_a_generator():
    assert seeds.for_generators("x = 1\n", NUMPY, {1: 3}, 1) is None


def test_two_lines_get_two_seeds():
    text = "import numpy as np\na = np.random.default_rng()\nb = np.random.default_rng()\n"
    changed = seeds.for_generators(text, NUMPY, {2: 1, 3: 1}, 1)
    assert "a = np.random.default_rng(1)\nb = np.random.default_rng(2)\n" in changed


def test_a_name_of_another_cell_is_not_taken():
    text = "for k in range(3):\n    np.random.default_rng()\n"
    changed = seeds.for_generators(text, NUMPY, {2: 3}, 1, "seeds = [1, 2, 3]\n")
    assert "seeds_2 = itertools.count(1)" in changed


def test_the_row_of_seeds_stands_below_the_docstring():
    imports = "try:\n    import numpy as np\nexcept ImportError:\n    raise\n"
    text = f'"""Trains."""\n{imports}x = [np.random.default_rng() for k in a]\n'
    changed = seeds.for_generators(text, NUMPY, {6: 3}, 1)
    assert changed.startswith('"""Trains."""\n\nimport itertools\n\ntry:\n')
    assert "    raise\n\nseeds = itertools.count(1)\n" in changed


def test_a_seed_that_is_shown_and_noted_is_a_seed():
    uses = "print('seed', seed)\nrng = np.random.default_rng(seed + 1)\njson.dump({'seed': seed}, file)\n"
    text = f"seed = int(time.time())\n{uses}"
    assert seeds.with_constants(text, CALLS, {1: 1}, 7) == f"seed = 7\n{uses}"


def test_two_seeds_from_the_clock_stay_different():
    text = "a = random.Random(time.time_ns())\nb = random.Random(time.time_ns())\n"
    changed = seeds.with_constants(text, CALLS, {1: 1, 2: 1}, 1)
    assert "Random(1)" in changed and "Random(2)" in changed


def test_a_seed_that_is_given_stays():
    text = "def make(seed=None):\n    return np.random.default_rng(seed)\n"
    changed = seeds.for_generators(text, NUMPY, {2: 1}, 1)
    assert "default_rng(1 if seed is None else seed)" in changed


def test_the_root_of_a_row_of_generators_is_seeded():
    text = "rngs = [np.random.default_rng(s) for s in np.random.SeedSequence().spawn(3)]\n"
    changed = seeds.for_generators(text, NUMPY, {1: 1}, 1)
    assert "default_rng(s)" in changed and "SeedSequence(1)" in changed
