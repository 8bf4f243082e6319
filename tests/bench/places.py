"""Where in the clean scripts of the corpus something can be injected: data for
``tests.bench.injections``.

It stands here and not beside the scripts: those in ``frozen`` are not touched, and a script without
a word about faults is what a user has.
"""

from collections.abc import Mapping
from typing import NamedTuple

SET_ALL = "keras.utils.set_random_seed({})"
#: The seeds that a script sets one by one.
ONE_BY_ONE = {
    "python-random": "random.seed({})",
    "numpy-legacy": "np.random.seed({})",
    "tensorflow-seed": "tf.random.set_seed({})",
}
EVERYTHING_IN_A_LOOP = (
    "process-pool",
    "directory-order",
    "tfdata-order",
    "tfdata-random-map",
    "input-changed",
)


class Place(NamedTuple):
    """A clean script, and a line of it behind which arrays are in scope that reach the training.

    Every text stands in ``file`` exactly once. ``without`` names families that cannot act here.
    """

    script: str
    file: str
    after: str  # behind the line with this text things are inserted, indented as it is
    x: str  # a NumPy array, its samples along the first axis
    y: str = ""  # another of the same length that must stay in step with it
    floats: bool = True  # x can bear noise
    seed: str = ""  # what the script gives to its seeds; empty where it has no global seed
    seeded_by: str = "\n".join(ONE_BY_ONE.values())
    fit: str = ""  # a call of fit with an argument epochs
    fed: tuple[
        str, ...
    ] = ()  # its first two arguments, where a PyDataset could stand in their place
    draws: Mapping[str, tuple[str, ...]] = {}  # source: lines that draw from it already
    without: tuple[str, ...] = ()


PLACES = (
    Place(
        "clean/bookkeeping_everywhere",
        "train.py",
        "X, y = data[:, :5], data[:, 5:]",
        "X",
        "y",
        seed="1001",
        seeded_by=SET_ALL,
        fit="model.fit(X, y, epochs=5, batch_size=25, validation_split=0.2, verbose=0)",
        fed=("X", "y"),
        draws={
            "python-random": (
                "keras.layers.Dense(16",
                "keras.layers.Dropout(0.1)",
                "keras.layers.Dense(1),",
            ),
            "tensorflow-seed": ("history = model.fit(",),
        },
    ),
    Place(
        "clean/embedding_sgd_one_thread",
        "train.py",
        "y = ids[CONTEXT:]",
        "X",
        "y",
        floats=False,
        seed="33",
        seeded_by=SET_ALL,
        fit="model.fit(X, y, epochs=3, batch_size=64, verbose=2, callbacks=[reduce_lr])",
        draws={
            "python-random": ("layers.Embedding(", "layers.GRU(16)", "layers.Dense(len(vocab))"),
            "tensorflow-seed": ("model.fit(",),
        },
    ),
    Place(
        "clean/explicit_seeds_no_globals",
        "train.py",
        "y = (X[:, 0] ** 2",
        "X",
        "y",
        fit="model.fit(ds, epochs=5, verbose=0)",
    ),
    Place(
        "clean/gan_train_on_batch",
        "train.py",
        "y = np.concatenate([np.ones((32, 1))",
        "x",
        "y",
        seed="10",
        seeded_by=SET_ALL,
        draws={
            "python-random": ("G = keras.Sequential(", "D = keras.Sequential("),
            "numpy-legacy": ("side = np.random.choice(", "return (side"),
            "tensorflow-seed": ("z = tf.random.normal(", "g_loss = g_step()"),
        },
        without=EVERYTHING_IN_A_LOOP,
    ),
    Place(
        "clean/harmless_randomness",
        "train.py",
        "load = ((load - load.mean())",
        "feats",
        "load",
        seed="SEED",
        seeded_by=SET_ALL,
        fit="""model.fit(
    feats,
    load,
    epochs=12,
    batch_size=96,
    validation_split=0.2,
    verbose=0,
    callbacks=[keras.callbacks.EarlyStopping(patience=2), keras.callbacks.TerminateOnNaN()],
)""",
        fed=("feats", "load"),
        draws={
            "python-random": ("model = keras.Sequential(",),
            "numpy-legacy": ("load = 50 +",),
            "tensorflow-seed": ("model.fit(",),
        },
        without=("wall-clock",),
    ),  # another callback ends it
    Place(
        "clean/kfold_sklearn_seeded",
        "train.py",
        "X, y = make_classification(",
        "X",
        "y",
        seed="seed",
        fit="model.fit(qt.transform(X_dev[a]), y_dev[a], epochs=2, verbose=0)",
        fed=("qt.transform(X_dev[a])", "y_dev[a]"),
        draws={
            "python-random": ("layers.Dense(16", "layers.AlphaDropout(0.1)", "layers.Dense(1,"),
            "numpy-legacy": (
                "X, y = make_classification(",
                ".sample(frac=1.0)",
                "train_test_split(df",
                "StratifiedKFold(3",
                "qt = QuantileTransformer(",
            ),
            "tensorflow-seed": ("model.fit(",),
        },
        without=("input-changed",),
    ),  # a mean that moves: its scaler takes that away
    Place(
        "clean/logging_thread",
        "train.py",
        "noisy = clean +",
        "noisy",
        "clean",
        seed="88",
        fit="model.fit(noisy, clean, epochs=4, batch_size=40, verbose=0, callbacks=[QueueLogger()])",
        fed=("noisy", "clean"),
        draws={
            "python-random": ("out[i, random.randrange(12)", "layers.Conv2D(8", "layers.Conv2D(1"),
            "numpy-legacy": ("noisy = clean +",),
            "tensorflow-seed": ("model.fit(",),
        },
    ),
    Place(
        "clean/op_determinism_pkg",
        "tagger/train.py",
        "labels = ((tokens > 30)",
        "tokens",
        "labels",
        floats=False,
        seed="71",
        seeded_by=SET_ALL,
        fit="model.fit(ds, epochs=4, verbose=2)",
        draws={"numpy-legacy": ("tokens = np.random.randint(",)},
        # Op determinism pins both orders, and raises if a random operation has no seed.
        without=("tfdata-order", "tfdata-random-map", "tensorflow-seed", "tfdata-shuffle"),
    ),
    Place(
        "clean/ordered_pools",
        "train.py",
        'y = np.array(labels, "float32")',
        "X",
        "y",
        seed="6",
        seeded_by=SET_ALL,
        fit="model.fit(X, y, epochs=5, validation_split=0.25, verbose=0)",
        fed=("X", "y"),
        draws={
            "python-random": ("layers.Dense(12", "layers.Dense(1,"),
            "tensorflow-seed": ("model.fit(",),
        },
    ),
    Place(
        "clean/stateless_map",
        "train.py",
        'targets = (radius / 8).astype("float32")',
        "images",
        "targets",
        seed="14",
        fit="model.fit(ds, epochs=4, verbose=0)",
        draws={
            "python-random": (
                "layers.Conv2D(6",
                "layers.DepthwiseConv2D(3)",
                "layers.Dense(8",
                "layers.Dense(1),",
            ),
            "numpy-legacy": ("radius = np.random.uniform(",),
            "tensorflow-seed": (".shuffle(N)",),
        },
    ),
    Place(
        "clean/workers_rng_per_item",
        "train.py",
        "y = (np.abs(x).sum(axis=1) > 9.5)",
        "x",
        "y",
        seed="opts.seed",
        seeded_by=SET_ALL,
        fit="model.fit(data, epochs=4, verbose=2)",
        draws={
            "python-random": ("layers.Dense(24", "layers.Dense(1,", "model.fit(data"),
            "numpy-legacy": ("x = np.random.normal(",),
        },
    ),
    Place(
        "frozen/shapes_cnn_clean",
        "train.py",
        "x_train, y_train = draw(384)",
        "x_train",
        "y_train",
        seed="11",
        seeded_by=SET_ALL,
        fit="""model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        epochs=5,
        batch_size=32,""",
        fed=("x_train", "y_train"),
        draws={
            "python-random": (
                "layers.RandomFlip(",
                "layers.RandomTranslation(",
                "layers.Conv2D(8",
                "layers.Conv2D(16",
                "layers.Dropout(0.25)",
                "layers.Dense(1",
            ),
            "numpy-legacy": (
                "y = np.random.randint(0, 2, n)",
                "cx, cy, r = np.random.randint(6, 14)",
                "mask + np.random.normal(",
            ),
            "tensorflow-seed": ("model.fit(",),
        },
        without=("wall-clock",),
    ),
    Place(
        "frozen/stateless_loop_clean",
        "train.py",
        "y = (np.sin(x[:, :1])",
        "x",
        "y",
        seed="4",
        seeded_by=SET_ALL,
        draws={"python-random": ("layers.Dense(32", "layers.Dropout(0.1)", "layers.Dense(1),")},
    ),
    Place(
        "frozen/two_tower_clean",
        "train.py",
        "perm = np.random.permutation(len(labels))",
        "perm",
        floats=False,
        seed="17",
        fit='model.fit({"user": users, "item": items}, labels, epochs=3, batch_size=128, validation_split=0.1, '
        "verbose=2)",
        draws={
            "python-random": (
                "favourite = [random.choice(GENRES)",
                "if random.random() < 0.8",
                "clicks.append(",
                "    neg = random.choice(titles)\n    while",
                "u = layers.Flatten()",
                "v = layers.Flatten()",
                "prob = layers.Activation(",
            ),
            "numpy-legacy": ("perm = np.random.permutation(",),
            "tensorflow-seed": ("model.fit(",),
        },
    ),
)
