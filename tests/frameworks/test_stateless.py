"""Steps that are functions of their own: their state goes in and comes out, and the variables stay
as they are.

Tried on JAX and Torch, where they are installed beside the tests, or in the interpreter that
``_DETAUDIT_JAX_PYTHON`` or ``_DETAUDIT_TORCH_PYTHON`` names.
"""

import pytest
from detaudit.core.condition import Condition

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.framework

COMMON = """
import functools, sys
import keras, numpy as np
keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x = rng.random((64, 4)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="first"),
                          keras.layers.BatchNormalization(), keras.layers.Dense(1, name="last")])
optimizer = keras.optimizers.Adam(float(sys.argv[2]))
optimizer.build(model.trainable_variables)
WAY = sys.argv[1]
"""
JAX = (
    COMMON
    + """
import jax

def compute(tv, ntv, x, y):
    out, ntv = model.stateless_call(tv, ntv, x, training=True)
    return ((out - y) ** 2).mean(), ntv

def step(state, x, y, scale=1.0):
    tv, ntv, ov = state
    (loss, ntv), grads = jax.value_and_grad(compute, has_aux=True)(tv, ntv, x, y)
    tv, ov = update(ov, grads, tv)
    return loss * scale, (tv, ntv, ov)

def update(ov, grads, tv):
    return optimizer.stateless_apply(ov, grads, tv)

class Trainer:
    @jax.jit
    def step(self, state, x, y):
        return step(state, x, y)

@jax.jit
def unrelated(x):
    return x + 1

def epoch(state, batches):
    def body(state, batch):
        loss, state = step(state, *batch)
        return state, loss
    state, losses = jax.lax.scan(body, state, batches)
    return losses.mean(), state

if WAY == "nested":
    update = jax.jit(update)
if WAY == "method":
    jax.tree_util.register_static(Trainer)
train = {"eager": lambda: step, "plain": lambda: jax.jit(step), "nested": lambda: jax.jit(step),
         "method": lambda: Trainer().step, "scan": lambda: jax.jit(epoch),
         "static": lambda: jax.jit(step, static_argnames=("scale",), donate_argnums=(0,))}[WAY]()
state = ([jax.numpy.copy(v.value) for v in model.trainable_variables],
         [jax.numpy.copy(v.value) for v in model.non_trainable_variables],
         [jax.numpy.copy(v.value) for v in optimizer.variables])
assert unrelated(jax.random.key(1) == jax.random.key(1)) == 2 and jax.vmap(unrelated)(x).shape == x.shape
for _ in range(2):
    if WAY == "scan":
        for part in range(4):
            loss, state = train(state, (x[16 * part:16 * part + 16].reshape(2, 8, 4),
                                        y[16 * part:16 * part + 16].reshape(2, 8, 1)))
    else:
        for row in range(0, 64, 16):
            more = {"scale": 2.0} if WAY == "static" else {}
            loss, state = train(state, x[row:row + 16], y[row:row + 16], **more)
    print(float(loss), flush=True)
if WAY == "plain":
    assert "stablehlo" in train.lower(state, x, y).as_text() and train.__name__ == "step"
for variable, value in zip(model.trainable_variables, state[0]):
    variable.assign(value)
"""
)
TORCH = (
    COMMON
    + """
import torch
tv = [v.value.detach().clone().requires_grad_() for v in model.trainable_variables]
ntv, ov = [v.value for v in model.non_trainable_variables], [v.value for v in optimizer.variables]
for _ in range(2):
    for row in range(0, 64, 16):
        out, ntv = model.stateless_call(tv, ntv, torch.tensor(x[row:row + 16]), training=True)
        loss = ((out - torch.tensor(y[row:row + 16])) ** 2).mean()
        grads = torch.autograd.grad(loss, tv)
        with torch.no_grad():
            tv, ov = optimizer.stateless_apply(ov, grads, tv)
        tv, ntv = [one.detach().requires_grad_() for one in tv], [one.detach() for one in ntv]
    print(float(loss))
for variable, value in zip(model.trainable_variables, tv):
    variable.assign(value)
"""
)
SCRIPTS = {"jax": JAX, "torch": TORCH}


@pytest.mark.parametrize(
    ("backend", "way"),
    slow_but_for(
        [],
        [
            *(("jax", way) for way in ("plain", "nested", "method", "static", "scan", "eager")),
            ("torch", "eager"),
        ],
    ),
)
def test_every_step_is_observed_and_nothing_is_changed(tmp_path, backend, way):
    python = with_backend(backend)
    script = tmp_path / "train.py"
    script.write_text(SCRIPTS[backend])
    condition = Condition(backend, "auto", script.name, 1)

    def run(name, rate="0.01", number=1, **options):
        return runs_of(
            script,
            (way, rate),
            python,
            condition.with_orders(**options),
            number,
            tmp_path / name,
            {"KERAS_BACKEND": backend},
        )

    recorded, again = run("recorded", number=2)
    (unrecorded,) = run("unrecorded", record=False)
    assert recorded.trace.measures.steps == 8 and recorded.trace.measures.moved
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    said = [(one.trace.folder / "stdout").read_text() for one in (recorded, unrecorded)]
    assert said[0] == said[1] and len(said[0].splitlines()) == 2
    tables = [table for table in recorded.trace.tables if table.kind == "steps"]
    assert sum(len(table.sequence) for table in tables) == 8
    assert [table.cells.tolist() for table in tables] == [
        table.cells.tolist() for table in again.trace.tables if table.kind == "steps"
    ]
    columns = set(tables[-1].columns)
    assert {("update", "first/kernel"), ("update", "optimizer/adam/first_kernel_momentum")} <= {
        (stage, name.replace("sequential/", "").replace("sequential_", ""))
        for stage, name in columns
    }
    if backend == "jax" and way != "eager":
        assert {stage for stage, _ in columns} == {"data", "loss", "update", "forward"}
    else:
        assert {"gradient", "update"} <= {stage for stage, _ in columns}
    (still,) = run("still", rate="0.0")
    assert still.trace.measures.steps == 8 and not still.trace.measures.moved


#: Replacements of the training above: how it is written, and the expected number of recorded
#: steps.
WRITTEN = {
    "a name taken from JAX before Keras is imported": ("train = early(step)", 8),
    "gradients of what is jitted": (
        "loss_of = jax.jit(lambda tv, ntv, x, y: compute(tv, ntv, x, y)[0])\ngrads_of = jax.jit(jax.grad(loss_of))\n"
        "update = jax.jit(update)\ndef train(state, x, y):\n    tv, ntv, ov = state\n"
        "    tv, ov = update(ov, grads_of(tv, ntv, x, y), tv)\n    return loss_of(tv, ntv, x, y), (tv, ntv, ov)",
        8,
    ),
    "jitted twice": ("train = jax.jit(jax.jit(step), donate_argnums=0)", 8),
    "a decorator around what is jitted": (
        "def scaled(function):\n    @functools.wraps(function)\n    def wrapper(*given):\n"
        "        loss, state = function(*given)\n        return 3 * loss, state\n    return wrapper\n"
        "train = jax.jit(scaled(jax.jit(step)))",
        8,
    ),
    "an object": (
        "class Called:\n    def __call__(self, *given):\n        return counted(*given)\n"
        "traces, trainer = [], Called()\ntrain = lambda *given: jax.jit(trainer)(*given)",
        8,
    ),
    "a scan of what is jitted": ("body = jax.jit(body)\ntrain = scanned", 8),
    "a method": ("train = jax.jit(Methods().step)", 8),
    "a partial function": ("train = jax.jit(functools.partial(step, scale=1.0))", 8),
    "a decorator with choices": ("train = jax.jit(donate_argnums=0)(step)", 8),
    "anew each time": ("traces = []\ntrain = lambda *given: jax.jit(counted)(*given)", 8),
    "two that share an update": (
        "update = jax.jit(update)\nways = [jax.jit(lambda *given: step(*given)),"
        " jax.jit(lambda *given: step(*given))]\n"
        "train = lambda state, x, y: ways[int(x[0, 0] * 1000) % 2](state, x, y)",
        8,
    ),
    "an update that is jitted as it is": (
        "update = jax.jit(optimizer.stateless_apply)\ntrain = jax.jit(step)",
        8,
    ),
    "static arguments": (
        "mse = keras.losses.MeanSquaredError()\nsome = jax.jit(chosen, static_argnums=3,"
        " static_argnames=('dtype', 'loss', 'policy', 'model'))\n"
        "train = lambda *given: some(*given, True, dtype=jax.numpy.bfloat16, loss=mse,"
        " policy=Policy(), model=model)",
        8,
    ),
    "steps and evaluations": (
        "some = jax.jit(chosen, static_argnums=3)\n"
        "train = lambda *given: (some(*given, False), some(*given, True))[1]",
        8,
    ),
    "a copy": (
        "import copy\ntrain = copy.deepcopy({'train': copy.copy(jax.jit(step))})['train']",
        8,
    ),
    "no leaks": (
        "jitted = jax.jit(step)\ndef train(*given):\n    with jax.checking_leaks():\n"
        "        return jitted(*given)",
        8,
    ),
    "many at once": (
        "many = jax.vmap(step, (None, 0, 0))\ndef train(state, x, y):\n"
        "    loss, states = many(state, x[None], y[None])\n"
        "    return loss[0], jax.tree.map(lambda one: one[0], states)",
        0,
    ),
    "ahead of its calls": (
        "some = jax.jit(chosen, static_argnums=3)\n"
        "ahead = [some.lower(CARRIED, x[:16], y[:16], way).compile() for way in (True, False)]\n"
        "train = lambda *given: (ahead[1](*given), ahead[0](*given))[1]\n"
        "assert ahead[0].cost_analysis() is not None",
        8,
    ),
    "ahead of its calls, after some": (
        "some = jax.jit(step)\nsome(CARRIED, x[:16], y[:16])\n"
        "train = some.lower(CARRIED, x[:16], y[:16]).compile()",
        9,
    ),
    "a card each": (
        "many = jax.pmap(functools.partial(step, scale=2.0), axis_name='cards', in_axes=(0, 0, 0))\n"
        "held = [jax.tree.map(lambda one: one[None], CARRIED)]\ndef train(state, x, y):\n"
        "    loss, held[0] = many(held[0], x[None], y[None])\n"
        "    return loss[0], jax.tree.map(lambda one: one[0], held[0])",
        8,
    ),
    "a card each, and evaluations": (
        "many = jax.pmap(chosen, 'cards', static_broadcasted_argnums=np.int64(3))\n"
        "held = [jax.tree.map(lambda one: one[None], CARRIED)]\ndef train(state, x, y):\n"
        "    many(held[0], x[None], y[None], False)\n    loss, held[0] = many(held[0], x[None], y[None], True)\n"
        "    many.lower(held[0], x[None], y[None], False).as_text()\n"
        "    return loss[0], jax.tree.map(lambda one: one[0], held[0])",
        8,
    ),
    "ahead of its calls, from shapes": (
        "import gc, weakref\nshapes = jax.eval_shape(lambda *given: given, CARRIED, x[:16], y[:16])\n"
        "some = jax.jit(step)\nassert some.lower(*shapes).cost_analysis() is not None\n"
        "stage = some.trace(*shapes)\nassert isinstance(stage, jax.stages.Traced) and stage.jaxpr.eqns\n"
        "lowered = stage.lower()\nassert isinstance(lowered, jax.stages.Lowered)\n"
        "large = jax.numpy.ones((3, 3))\nseen = weakref.ref(large)\n"
        "kept = jax.jit(lambda a: a + 1).lower(large).compile()\ndel large\ngc.collect()\nassert seen() is None\n"
        "train = lowered.compile()\nassert isinstance(train, jax.stages.Compiled) and 'as_text' in dir(train)",
        8,
    ),
    "constant gradients": (
        "update = lambda ov, grads, tv: optimizer.stateless_apply(ov, CONSTANT, tv)\n"
        "train = jax.jit(step)",
        8,
    ),
    "scaled losses": (
        "optimizer = keras.optimizers.LossScaleOptimizer(optimizer)\n"
        "optimizer.build(model.trainable_variables)\ntrain = jax.jit(step)",
        8,
    ),
    "noise in the step": (
        "noise = jax.jit(lambda: jax.random.normal(jax.random.key(1), ()))\n"
        "def noisy(*given):\n    loss, state = step(*given)\n    return loss + noise(), state\n"
        "train = jax.jit(noisy)",
        8,
    ),
    "a loop of JAX's": ("train = jax.jit(looped)", 8),
    "a scan that is not jitted": ("train = scanned", 8),
}
STEPS = (
    JAX[: JAX.index('if WAY == "nested"')]
    + """
class Methods:
    def step(self, state, x, y):
        return step(state, x, y)

class Policy:  # its text holds an address
    dtype = "float32"

def chosen(state, x, y, train, dtype=None, loss=None, policy=None, model=None):
    return step(state, x, y) if train else (compute(state[0], state[1], x, y)[0], state)

def counted(*given):
    traces.append(len(traces))
    assert len(traces) == 1
    return step(*given)

def looped(state, x, y):
    return jax.lax.fori_loop(0, 1, lambda place, given: step(given[1], x, y), (jax.numpy.zeros(()), state))

def body(state, batch):
    return step(state, *batch)[::-1]

def scanned(state, x, y):
    state, losses = jax.lax.scan(body, state, (x[None], y[None]))
    return losses[0], state

CARRIED = ([v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables],
           [v.value for v in optimizer.variables])
CONSTANT = [jax.numpy.ones(v.shape) for v in model.trainable_variables]
"""
)
TRAINING = """
state = ([jax.numpy.copy(v.value) for v in model.trainable_variables],
         [jax.numpy.copy(v.value) for v in model.non_trainable_variables],
         [jax.numpy.copy(v.value) for v in optimizer.variables])
for _ in range(2):
    for row in range(0, 64, 16):
        loss, state = train(state, x[row:row + 16], y[row:row + 16])
    print(float(loss), flush=True)
for variable, value in zip(model.trainable_variables, state[0]):
    variable.assign(value)
"""


@slow
@pytest.mark.parametrize("written", WRITTEN)
def test_steps_are_observed_however_a_script_compiles_them(tmp_path, written):
    python = with_backend("jax")
    script = tmp_path / "train.py"
    code, steps = WRITTEN[written]
    script.write_text(f"from jax import jit as early\n{STEPS}\n{code}\n{TRAINING}")
    condition = Condition("jax", "auto", script.name, 1)

    def run(name, number=1, **options):
        return runs_of(
            script,
            ("plain", "0.01"),
            python,
            condition.with_orders(**options),
            number,
            tmp_path / name,
            {"KERAS_BACKEND": "jax"},
        )

    recorded, again = run("recorded", 2)
    (unrecorded,) = run("unrecorded", record=False)
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    said = [(one.trace.folder / "stdout").read_text() for one in (recorded, unrecorded)]
    assert said[0] == said[1] and len(said[0].splitlines()) == 2
    tables = [table for table in recorded.trace.tables if table.kind == "steps"]
    assert recorded.trace.measures.steps == sum(len(table.sequence) for table in tables) == steps
    assert [table.cells.tolist() for table in tables] == [
        table.cells.tolist() for table in again.trace.tables if table.kind == "steps"
    ]
    if steps:
        columns = {
            name.replace("sequential/", "")
            for stage, name in tables[-1].columns
            if stage == "update"
        }
        assert recorded.trace.measures.moved and "first/kernel" in columns
        assert (
            all(any(stage == "data" for stage, _ in table.columns) for table in tables)
            or "gradients" in written
        )


@slow
def test_a_whole_training_in_one_call_is_observed_to_move(tmp_path):
    """Only one step is observed: its state is compared with its input state."""
    python = with_backend("jax")
    script = tmp_path / "train.py"
    for number, loop in enumerate(("jax.lax.scan", "unfollowed")):
        script.write_text(
            "from jax._src.lax.control_flow import scan as unfollowed\n"
            + STEPS
            + f"""
whole = jax.jit(lambda state, batches: {loop}(body, state, batches))
"""
            + TRAINING[: TRAINING.index("for _")]
            + """
state, losses = whole(state, (x.reshape(4, 16, 4), y.reshape(4, 16, 1)))
print(float(losses[-1]))
"""
        )
        (one,) = runs_of(
            script,
            ("plain", "0.01"),
            python,
            Condition("jax", "auto", script.name, 1),
            1,
            tmp_path / str(number),
            {"KERAS_BACKEND": "jax"},
        )
        assert one.trace.measures.steps == 1 and one.trace.measures.moved
        (table,) = [table for table in one.trace.tables if table.kind == "steps"]
        names = {name for stage, name in table.columns if stage == "update"}
        assert any("kernel" in name for name in names) == (number == 0)


@slow
@pytest.mark.parametrize(("rate", "moves"), [("0.0", False), ("0.01", True)])
def test_weights_without_names_are_observed_to_move_or_to_stand_still(tmp_path, rate, moves):
    python = with_backend("jax")
    script = tmp_path / "train.py"
    script.write_text(
        STEPS.replace(".Adam(", ".SGD(").replace("keras.layers.BatchNormalization(), ", "")
        + """
def clipped(*given):
    loss, (tv, ntv, ov) = step(*given)
    return loss, ([jax.numpy.clip(one, -9, 9) for one in tv], ntv, ov)

train = jax.jit(clipped)
"""
        + TRAINING
    )
    (one,) = runs_of(
        script,
        ("plain", rate),
        python,
        Condition("jax", "auto", script.name, 1),
        1,
        tmp_path / rate,
        {"KERAS_BACKEND": "jax"},
    )
    assert one.trace.measures.steps == 8 and one.trace.measures.moved is moves


@slow
def test_a_step_is_where_a_run_was_asked_to_end(tmp_path):
    python = with_backend("jax")
    script = tmp_path / "train.py"
    script.write_text(JAX)
    for record in (True, False):
        (ended,) = runs_of(
            script,
            ("plain", "0.01"),
            python,
            Condition("jax", "auto", script.name, 1).with_orders(record=record, stop_steps=5),
            1,
            tmp_path / str(record),
            {"KERAS_BACKEND": "jax"},
        )
        assert ended.trace.measures.stopped == 5
        assert (ended.trace.folder / "stdout").read_text().count("\n") == 1
