"""XLA: the training step compiled as a whole, with its operations fused.

A fused kernel adds in a different order and rounds less often, so ``compile(jit_compile=True)``
changes the results of every model. Keras' default is ``jit_compile="auto"``, and its meaning
depends on the machine. On the TensorFlow backend of Keras 3.15, it compiles if there is a GPU and
every layer supports it; it does not compile on a machine with CPUs only, under ``tf.distribute``,
or under op determinism (``keras/src/trainers/trainer.py``, ``_resolve_auto_jit_compile`` and
``model_supports_jit``). ``run_eagerly=True`` overrides it. Compiling takes seconds for each new
batch shape.

On the JAX backend, "auto" always compiles. ``jit_compile=False`` runs the step operation by
operation, and XLA compiles each operation separately (``keras/src/backend/jax/trainer.py``).
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "xla"
STEP = "train_step"  # the method of a model that Keras compiles

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="compilation with XLA",
    breaks="A compiled step fuses its operations, adds in a different order and rounds less often.",
    backends=("tensorflow", "jax", "tf_keras"),
    experiment=Compare(
        models=("mlp", "lstm"),
        settings=(
            Setting("jit_compile=False", settings=Settings(jit_compile=False)),
            Setting("jit_compile=True", settings=Settings(jit_compile=True)),
            Setting('jit_compile="auto"', settings=Settings(jit_compile="auto")),
        ),
    ),
    links=(
        Link(
            "Model.compile: jit_compile",
            "https://keras.io/api/models/model_training_apis/#compile-method",
        ),
        Link("XLA: optimizing compiler", "https://www.tensorflow.org/xla"),
    ),
    advice='Pass jit_compile to compile(): its default, "auto", compiles on some machines and not on others.',
)


def start_counting(trial):
    """Count how often JAX traces a whole training step to compile it: JAX logs every function that
    it traces.
    """
    if trial.request.backend == "jax":
        import jax

        jax.monitoring.register_event_duration_secs_listener(
            lambda event, seconds, **named: trial.count(
                ID, int("trace" in event and named.get("fun_name") == STEP)
            )
        )


def count_uses(trial):
    """Return how many functions of this process must be compiled by XLA, from the runtime's own
    library; on JAX, how many training steps were traced.
    """
    if trial.request.backend == "jax":
        return trial.counts.get(ID, 0)
    from tensorflow.python.eager import context

    runtime = context.context()
    return sum(
        runtime.get_function_def(name).attr["_XlaMustCompile"].b
        for name in runtime.list_function_names()
    )
