"""What is injected into clean scripts, as users write it: data for ``tests.bench.injections``.

A family is one way in which a source becomes unpinned. Each of its variants is written in terms of
the arrays of a place: ``$x`` is one, ``$both`` is it with its companion, ``$taken`` both of them in
the order ``order``. ``#!`` in a line marks it as one that a user would accept as the place; the
mark is removed.

A source is named as in the docstrings under ``sources/``: it is the one whose pin fixes it from
outside. ``np.random.seed()`` and ``RandomState()`` ask the operating system by way of NumPy, so
they are ``numpy-generator``'s; ``Dataset.shuffle`` without a seed is TensorFlow's global seed's;
Keras' global generator takes its seed from Python's.
"""

from typing import NamedTuple

TAKE = "$both = $taken"


class Variant(NamedTuple):
    """``body`` is inserted at the place, ``top`` behind the imports. ``lose`` is a seed that the
    script forgets.
    """

    name: str
    body: str = ""
    imports: tuple[str, ...] = ()
    top: str = ""
    lose: str = ""
    floats: bool = False  # only where x can bear noise
    fit: str = ""  # what is done to the call of fit: "fed", "longer"
    unseeded: bool = True  # may stand in a script that has no global seed


class Family(NamedTuple):
    name: str
    source: str
    variants: tuple[Variant, ...]
    varies_only: bool = False


class Swap(NamedTuple):
    """A change that fits one script only: texts that occur there once, and what a user might have
    written instead.

    ``also`` are lines of other files that a user would accept, each identified by a text that
    occurs only in it.
    """

    name: str
    source: str
    script: str
    file: str
    texts: tuple[tuple[str, str], ...]
    imports: tuple[str, ...] = ()
    varies_only: bool = False
    also: tuple[tuple[str, str], ...] = ()


NUMPY, TENSORFLOW = "import numpy as np", "import tensorflow as tf"

GENERATORS = (
    Family(
        "python-random",
        "python-random",
        (
            Variant("forgotten", lose="python-random"),
            Variant(
                "reseeded",
                f"order = list(range(len($x)))\nrandom.seed()  # a new order every time #!\n"
                f"random.shuffle(order) #!\n{TAKE}",
                ("import random",),
            ),
            Variant(
                "own",
                f"order = list(range(len($x)))\nrandom.Random().shuffle(order) #!\n{TAKE}",
                ("import random",),
            ),
        ),
    ),
    Family(
        "keras-seed",
        "python-random",
        (
            Variant(
                "used-early",
                f"weight = np.asarray(keras.random.uniform((len($x),)))\norder = np.argsort(weight)\n"
                f"{TAKE}",
                lose="keras-seed",
            ),
        ),
    ),
    Family(
        "numpy-legacy",
        "numpy-legacy",
        (
            Variant("forgotten", lose="numpy-legacy"),
            Variant(
                "shuffle",
                f"order = np.arange(len($x))\nnp.random.shuffle(order) #!\n{TAKE}",
                lose="numpy-legacy",
            ),
            Variant(
                "sklearn",
                "$both = shuffle($both) #!",
                ("from sklearn.utils import shuffle",),
                lose="numpy-legacy",
            ),
            Variant(
                "noise",
                "$x = $x + np.random.normal(scale=0.01, size=$x.shape).astype($x.dtype) #!",
                lose="numpy-legacy",
                floats=True,
            ),
        ),
    ),
    Family(
        "numpy-generator",
        "numpy-generator",
        (
            Variant(
                "permutation", f"order = np.random.default_rng().permutation(len($x)) #!\n{TAKE}"
            ),
            Variant(
                "noise",
                "noise = np.random.default_rng() #!\n"
                "$x = $x + noise.normal(0.0, 0.01, $x.shape).astype($x.dtype) #!",
                floats=True,
            ),
            Variant(
                "default-none",
                "def shuffled(n, seed=None):\n"
                "    return np.random.default_rng(seed).permutation(n) #!\n"
                f"order = shuffled(len($x)) #!\n{TAKE}",
            ),
            Variant(
                "random-state", f"order = np.random.RandomState().permutation(len($x)) #!\n{TAKE}"
            ),
            Variant(
                "reseeded",
                f"np.random.seed() #!\norder = np.random.permutation(len($x)) #!\n{TAKE}",
            ),
        ),
    ),
    Family(
        "tensorflow-seed",
        "tensorflow-seed",
        (
            Variant("forgotten", lose="tensorflow-seed"),
            Variant(
                "shuffle",
                f"order = tf.random.shuffle(tf.range(len($x))).numpy() #!\n{TAKE}",
                (TENSORFLOW,),
                lose="tensorflow-seed",
            ),
            Variant(
                "noise",
                "$x = $x + tf.random.normal($x.shape, stddev=0.01).numpy().astype($x.dtype) #!",
                (TENSORFLOW,),
                lose="tensorflow-seed",
                floats=True,
            ),
            Variant(
                "non-deterministic-state",
                "generator = tf.random.Generator.from_non_deterministic_state() #!\n"
                f"order = np.argsort(generator.uniform((len($x),)).numpy()) #!\n{TAKE}",
                (TENSORFLOW,),
            ),
        ),
    ),
    Family(
        "tfdata-shuffle",
        "tensorflow-seed",
        (
            Variant(
                "no-seed",
                "order = tf.data.Dataset.range(len($x)).shuffle(len($x)) #!\n"
                f"order = np.array(list(order.as_numpy_iterator())) #!\n{TAKE}",
                (TENSORFLOW,),
                lose="tensorflow-seed",
            ),
        ),
    ),
    Family(
        "os-entropy",
        "os-entropy",
        (
            Variant(
                "secrets",
                f"order = np.random.default_rng(secrets.randbits(64)).permutation(len($x)) #!\n{TAKE}",
                ("import secrets",),
            ),
            Variant(
                "system-random",
                f"order = list(range(len($x)))\nrandom.SystemRandom().shuffle(order) #!\n{TAKE}",
                ("import random",),
            ),
            Variant(
                "uuid-names",
                "names = [uuid.uuid4().hex for _ in range(len($x))] #!\n"
                f"order = sorted(range(len($x)), key=names.__getitem__)\n{TAKE}",
                ("import uuid",),
            ),
            Variant(
                "urandom",
                "entropy = int.from_bytes(os.urandom(4), 'little') #!\n"
                f"order = np.random.RandomState(entropy).permutation(len($x))\n{TAKE}",
                ("import os",),
            ),
        ),
    ),
    Family(
        "clock",
        "clock",
        (
            Variant(
                "time-ns",
                f"order = np.random.default_rng(time.time_ns()).permutation(len($x)) #!\n{TAKE}",
                ("import time",),
            ),
            Variant(
                "seconds",
                f"order = np.random.RandomState(int(time.time())).permutation(len($x)) #!\n{TAKE}",
                ("import time",),
            ),
            Variant(
                "pid",
                f"order = list(range(len($x)))\nrandom.Random(os.getpid()).shuffle(order) #!\n{TAKE}",
                ("import os", "import random"),
            ),
            Variant(
                "now",
                "stamp = datetime.datetime.now().microsecond #!\n"
                f"order = np.random.default_rng(stamp).permutation(len($x))\n{TAKE}",
                ("import datetime",),
            ),
        ),
    ),
    Family(
        "wall-clock",
        "wall-clock",
        (
            Variant(
                "budget",
                """\
class TimeBudget(keras.callbacks.Callback):
    end = None

    def on_train_batch_end(self, batch, logs=None):
        self.end = self.end or time.monotonic() + 4.0 #!
        if time.monotonic() > self.end: #!
            self.model.stop_training = True""",
                ("import time",),
                fit="longer",
            ),
        ),
    ),
)

ORDERS = (
    Family(
        "hash-seed",
        "hash-seed",
        (
            Variant(
                "set-of-names",
                'names = {f"sample-{i}" for i in range(len($x))} #!\n'
                f'order = [int(name.split("-")[1]) for name in names] #!\n{TAKE}',
            ),
            Variant(
                "hash-as-seed",
                'split_seed = hash("fold-a") % 2**32 #!\n'
                f"order = np.random.default_rng(split_seed).permutation(len($x)) #!\n{TAKE}",
            ),
            Variant(
                "groups",
                'site = [("north", "south", "east", "west", "centre", "port", "mill", "farm")[i % 8]\n'
                "        for i in range(len($x))]\n"
                f"order = [i for group in set(site) for i, s in enumerate(site) if s == group] #!\n{TAKE}",
            ),
            Variant(
                "hash-bucket",
                'bucket = [hash(f"id-{i}") % 1000 for i in range(len($x))] #!\n'
                f"order = np.argsort(bucket, kind='stable')\n{TAKE}",
            ),
        ),
    ),
    Family(
        "directory-order",
        "directory-order",
        tuple(
            Variant(
                name,
                f"""\
with tempfile.TemporaryDirectory() as shards:
    for k, part in enumerate(np.array_split(np.arange(len($x)), 12)):
        np.save(os.path.join(shards, f"part{{k}}.npy"), part)
    order = np.concatenate([np.load({loaded}) for part in {listed}]) #!
{TAKE}""",
                ("import os", "import tempfile", *imports),
            )
            for name, imports, listed, loaded in (
                ("listdir", (), "os.listdir(shards)", "os.path.join(shards, part)"),
                ("glob", ("import glob",), 'glob.glob(os.path.join(shards, "*.npy"))', "part"),
                ("iterdir", ("import pathlib",), "pathlib.Path(shards).iterdir()", "part"),
            )
        ),
        varies_only=True,
    ),
    Family(
        "tfdata-order",
        "tfdata-order",
        tuple(
            Variant(
                name,
                f"""\
def decoded(i):
    side = 32 + 64 * tf.cast(i % 7, tf.int32)  # pictures of unequal size
    picture = tf.ones((side, side))
    return i + 0 * tf.cast(tf.reduce_sum(tf.linalg.matmul(picture, picture)), tf.int64)
loaded = {chain}
order = np.array(list(loaded.as_numpy_iterator()))
{TAKE}""",
                (TENSORFLOW,),
            )
            for name, chain in (
                (
                    "map",
                    "tf.data.Dataset.range(len($x)).map(decoded, num_parallel_calls=4, deterministic=False) #!",
                ),
                (
                    "interleave",
                    """tf.data.Dataset.range(4).interleave( #!
    lambda k: tf.data.Dataset.range(k, len($x), 4).map(decoded), cycle_length=4, #!
    num_parallel_calls=4, deterministic=False) #!""",
                ),
                (
                    "options",
                    """tf.data.Dataset.range(len($x)).map(decoded, num_parallel_calls=4) #!
options = tf.data.Options()
options.deterministic = False #!
loaded = loaded.with_options(options) #!""",
                ),
            )
        ),
    ),
    Family(
        "tfdata-random-map",
        "tfdata-random-map",
        (
            Variant(
                "weights",
                "drawn = tf.data.Dataset.range(len($x)).map( #!\n"
                "    lambda i: tf.random.uniform((), seed=3), num_parallel_calls=8) #!\n"
                f"order = np.argsort(list(drawn.as_numpy_iterator()))\n{TAKE}",
                (TENSORFLOW,),
            ),
            Variant(
                "noise",
                """\
def jittered(row):
    return row + tf.cast(tf.random.normal(tf.shape(row), stddev=0.01, seed=3), row.dtype) #!
augmented = tf.data.Dataset.from_tensor_slices($x).map(jittered, num_parallel_calls=tf.data.AUTOTUNE) #!
$x = np.array(list(augmented.as_numpy_iterator()))""",
                (TENSORFLOW,),
                floats=True,
            ),
        ),
    ),
    Family(
        "loader-workers",
        "loader-workers",
        (
            Variant(
                "augmenting",
                """\
class Jittered(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size=20, **kwargs):
        super().__init__(**kwargs) #!
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return len(self.x) // self.batch_size

    def __getitem__(self, index):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rows = np.array(self.x[part], dtype="float32")
        for k in range(len(rows)):
            rows[k] += np.random.normal(0.0, 0.01) #!
            np.fft.rfft(np.resize(rows[k], 2000 * (1 + (index + k) % 5)))  # stands for the decoding
        return rows, self.y[part]""",
                fit="fed",
                unseeded=False,
            ),
        ),
    ),
    Family(
        "thread-race",
        "thread-race",
        (
            Variant(
                "shared-list",
                f"""\
order = []
def collect(numbers):
    for i in numbers:
        np.fft.rfft(np.ones(3000 * (1 + i % 7)))  # the sample's features
        order.append(i) #!
crew = [threading.Thread(target=collect, args=(range(k, len($x), 4),)) for k in range(4)]
for member in crew:
    member.start() #!
for member in crew:
    member.join()
{TAKE}""",
                ("import threading",),
            ),
            Variant(
                "as-completed",
                f"""\
def sample(i):
    np.fft.rfft(np.ones(3000 * (1 + i % 7)))
    return i
with ThreadPoolExecutor(max_workers=4) as crew: #!
    order = [done.result() for done in as_completed([crew.submit(sample, i) for i in range(len($x))])] #!
{TAKE}""",
                ("from concurrent.futures import ThreadPoolExecutor, as_completed",),
            ),
            Variant(
                "imap-unordered",
                f"""\
def sample(i):
    np.fft.rfft(np.ones(3000 * (1 + i % 7)))
    return i
with ThreadPool(4) as crew: #!
    order = list(crew.imap_unordered(sample, range(len($x)))) #!
{TAKE}""",
                ("from multiprocessing.pool import ThreadPool",),
            ),
        ),
    ),
    Family(
        "process-pool",
        "process-pool",
        (
            Variant(
                "imap-unordered",
                f"with multiprocessing.Pool(3) as crew: #!\n"
                f"    order = list(crew.imap_unordered(sampled, range(len($x)), chunksize=4)) #!\n"
                f"{TAKE}",
                ("import multiprocessing", NUMPY),
                top="""\
def sampled(i):
    np.fft.rfft(np.ones(3000 * (1 + i % 7)))
    return i""",
            ),
            Variant(
                "as-completed",
                f"""\
with ProcessPoolExecutor(3) as crew: #!
    order = [done.result() for done in as_completed([crew.submit(sampled, i) for i in range(len($x))])] #!
{TAKE}""",
                ("from concurrent.futures import ProcessPoolExecutor, as_completed", NUMPY),
                top="""\
def sampled(i):
    np.fft.rfft(np.ones(3000 * (1 + i % 7)))
    return i""",
            ),
            Variant(
                "worker-generators",
                f"""\
with multiprocessing.Pool(3) as crew: #!
    order = np.argsort(crew.map(weighed, range(len($x)), chunksize=1), kind="stable") #!
{TAKE}""",
                ("import multiprocessing", NUMPY),
                top="""\
def weighed(i):
    np.fft.rfft(np.ones(3000 * (1 + i % 7)))
    return np.random.random() #!""",
                unseeded=False,
            ),
        ),
    ),
    Family(
        "input-changed",
        "input-changed",
        (
            Variant(
                "running-mean",
                """\
centre = np.load("centre.npy") if os.path.exists("centre.npy") else np.zeros($x.shape[1:])
centre = 0.9 * centre + 0.1 * $x.mean(axis=0)
np.save("centre.npy", centre) #!
$x = ($x - centre).astype($x.dtype)""",
                ("import os",),
                floats=True,
            ),
            Variant(
                "run-counter",
                f"""\
run = int(open("run.txt").read()) + 1 if os.path.exists("run.txt") else 1 #!
with open("run.txt", "w") as file: #!
    file.write(str(run)) #!
order = np.random.default_rng(run).permutation(len($x))
{TAKE}""",
                ("import os",),
            ),
            Variant(
                "growing-file",
                f"""\
with open("seen.csv", "a") as file: #!
    file.write(f"{{len($x)}}\\n") #!
seen = len(open("seen.csv").readlines()) #!
order = np.roll(np.arange(len($x)), seen)
{TAKE}""",
            ),
        ),
    ),
    Family(
        "address-order",
        "address-order",
        (
            Variant(
                "set-of-objects",
                f"""\
class Sample:
    def __init__(self, number):
        self.number = number
order = [sample.number for sample in {{Sample(i) for i in range(len($x))}}] #!
{TAKE}""",
            ),
            Variant(
                "id-as-seed",
                f"order = np.random.default_rng(id(object()) % 2**32).permutation(len($x)) #!\n{TAKE}",
            ),
            Variant(
                "hash-of-objects",
                "samples = [object() for _ in range(len($x))]\n"
                "order = sorted(range(len($x)), key=lambda i: hash(samples[i]) % 1009) #!\n"
                f"{TAKE}",
            ),
        ),
    ),
)

FAMILIES = (*GENERATORS, *ORDERS)

_ONE_THREAD = 'os.environ["TF_NUM_INTRAOP_THREADS"] = "1"'

SWAPS = (
    Swap(
        "unsorted-glob",
        "directory-order",
        "clean/bookkeeping_everywhere",
        "train.py",
        (
            (
                'in sorted(glob.glob(os.path.join(folder, "*.csv"))):',
                'in glob.glob(os.path.join(folder, "*.csv")): #!',
            ),
        ),
        varies_only=True,
    ),
    Swap(
        "temporary-names-in-order",
        "temporary-folder",
        "clean/bookkeeping_everywhere",
        "train.py",
        (
            (
                'np.savetxt(os.path.join(folder, f"field{k}.csv"), ',
                'name = tempfile.mkstemp(".csv", dir=folder)[1] #!\n        np.savetxt(name, ',
            ),
        ),
    ),
    Swap(
        "checksum-of-the-folder",
        "temporary-folder",
        "clean/kfold_sklearn_seeded",
        "train.py",
        (
            (
                "with tempfile.TemporaryDirectory() as tmp:",
                "with tempfile.TemporaryDirectory() as tmp: #!",
            ),
            (
                "StratifiedKFold(3, shuffle=True).split",
                "StratifiedKFold(3, shuffle=True, random_state=zlib.crc32(tmp.encode())).split#!",
            ),
        ),
        ("import zlib",),
    ),
    Swap(
        "unseeded-files",
        "numpy-generator",
        "clean/bookkeeping_everywhere",
        "train.py",
        (("rng = np.random.default_rng(1001)", "rng = np.random.default_rng() #!"),),
    ),
    Swap(
        "vocabulary-of-a-set",
        "hash-seed",
        "clean/embedding_sgd_one_thread",
        "train.py",
        (("vocab = sorted(set(words))", "vocab = list(set(words)) #!"),),
    ),
    Swap(
        "two-threads",
        "sparse-update",
        "clean/embedding_sgd_one_thread",
        "train.py",
        (
            (_ONE_THREAD, 'os.environ["TF_NUM_INTRAOP_THREADS"] = "2"'),
            ("set_intra_op_parallelism_threads(1)", "set_intra_op_parallelism_threads(2)"),
            ("layers.Embedding(len(vocab), 16)", "layers.Embedding(len(vocab), 128)#!"),
            ("epochs=3, batch_size=64, ", "epochs=3, batch_size=256, "),
            ("model.fit(X, y", "model.fit(X, y#!"),
        ),
    ),
    Swap(
        "initializer-without-seed",
        "python-random",
        "clean/explicit_seeds_no_globals",
        "train.py",
        (
            (
                ", kernel_initializer=keras.initializers.GlorotUniform(seed=seed), **kw)",
                ", **kw) #!",
            ),
        ),
    ),
    Swap(
        "dropout-without-seed",
        "python-random",
        "clean/explicit_seeds_no_globals",
        "train.py",
        (("keras.layers.Dropout(0.15, seed=2),", "keras.layers.Dropout(0.15), #!"),),
    ),
    Swap(
        "shuffle-without-seed",
        "tensorflow-seed",
        "clean/explicit_seeds_no_globals",
        "train.py",
        (("ds = ds.shuffle(400, seed=5).batch(40)", "ds = ds.shuffle(400).batch(40) #!"),),
    ),
    Swap(
        "split-without-seed",
        "numpy-legacy",
        "clean/explicit_seeds_no_globals",
        "train.py",
        (("test_size=0.2, random_state=7).split(X)", "test_size=0.2).split(X) #!"),),
    ),
    Swap(
        "budget-of-seconds",
        "wall-clock",
        "clean/gan_train_on_batch",
        "train.py",
        (
            (
                "for step in range(100):",
                "end = time.monotonic() + 8 #!\nfor step in range(100_000):\n"
                "    if time.monotonic() > end: #!\n        break",
            ),
            ("if step % 25 == 0:", "if step % 1000 == 0:"),
        ),
        ("import time",),
    ),
    Swap(
        "seed-of-generator-left-out",
        "python-random",
        "clean/gan_train_on_batch",
        "train.py",
        (
            ("keras.utils.set_random_seed(10)", "np.random.seed(10)\ntf.random.set_seed(10)"),
            ("G = keras.Sequential(", "G = keras.Sequential(#!"),
            ("D = keras.Sequential(", "D = keras.Sequential(#!"),
            (
                "seed_gen = keras.random.SeedGenerator(10)",
                "seed_gen = keras.random.SeedGenerator() #!",
            ),
        ),
    ),
    Swap(
        "random-holidays",
        "numpy-generator",
        "clean/harmless_randomness",
        "train.py",
        (
            (
                "holidays = {3, 11, 12, 25}",
                "holidays = set(np.random.default_rng().choice(40, 4, replace=False)) #!",
            ),
        ),
    ),
    Swap(
        "private-generator-in-the-data",
        "python-random",
        "clean/harmless_randomness",
        "train.py",
        (
            ("load[is_holiday] *= 0.8", "load[is_holiday] *= _private.uniform(0.7, 0.9) #!"),
            ("_private = random.Random()", "_private = random.Random() #!"),
        ),
    ),
    Swap(
        "new-state-for-the-split",
        "numpy-generator",
        "clean/kfold_sklearn_seeded",
        "train.py",
        (
            (
                "y_test = train_test_split(df.to_numpy(), y, test_size=0.2)",
                "y_test = train_test_split(\n"
                "    df.to_numpy(), y, test_size=0.2, random_state=np.random.RandomState()) #!",
            ),
        ),
    ),
    Swap(
        "without-op-determinism",
        "sparse-update",
        "clean/op_determinism_pkg",
        "tagger/train.py",
        (
            ("    tf.config.experimental.enable_op_determinism()\n", ""),
            (
                "ds.map(jitter, num_parallel_calls=tf.data.AUTOTUNE).batch(100)",
                "ds.map(jitter).batch(500)",
            ),
            ("model.fit(ds", "model.fit(ds#!"),
            ("model = Tagger(40)", "model = Tagger(40, 256)#!"),
        ),
        also=(("tagger/model.py", "self.optimizer.apply_gradients("),),
    ),
    Swap(
        "without-op-determinism-adam",
        "tfdata-random-map",
        "clean/op_determinism_pkg",
        "tagger/train.py",
        (
            ("    tf.config.experimental.enable_op_determinism()\n", ""),
            (
                "ds = ds.map(jitter, num_parallel_calls=tf.data.AUTOTUNE).batch(100)",
                "ds = ds.map(jitter, num_parallel_calls=tf.data.AUTOTUNE).batch(100) #!",
            ),
            ("keep = tf.random.uniform(", "keep = tf.random.uniform(#!"),
            ("keras.optimizers.SGD(lr)", "keras.optimizers.Adam(0.01)"),
        ),
    ),
    Swap(
        "pool-unordered",
        "process-pool",
        "clean/ordered_pools",
        "train.py",
        (
            ("with multiprocessing.Pool(2) as pool:", "with multiprocessing.Pool(2) as pool: #!"),
            (
                "pairs = pool.map(simulate, range(n), chunksize=20)",
                "pairs = list(pool.imap_unordered(simulate, range(n), chunksize=2)) #!",
            ),
        ),
    ),
    Swap(
        "walks-without-seed",
        "numpy-generator",
        "clean/ordered_pools",
        "prepare.py",
        (("rng = np.random.default_rng(seed)", "rng = np.random.default_rng() #!"),),
    ),
    Swap(
        "stateful-noise",
        "tfdata-random-map",
        "clean/stateless_map",
        "train.py",
        (
            (
                "tf.random.stateless_normal((16, 16, 1), seed=seed + 1, stddev=0.1)",
                "tf.random.normal((16, 16, 1), stddev=0.1) #!",
            ),
            (".map(augment, num_parallel_calls=8)", ".map(augment, num_parallel_calls=8) #!"),
        ),
    ),
    Swap(
        "any-order",
        "tfdata-order",
        "clean/stateless_map",
        "train.py",
        (
            (
                ".map(augment, num_parallel_calls=8)",
                ".map(augment, num_parallel_calls=8, deterministic=False) #!",
            ),
        ),
    ),
    Swap(
        "shared-generator",
        "loader-workers",
        "clean/workers_rng_per_item",
        "train.py",
        (
            ("rng = np.random.default_rng([self.seed, idx])", "rng = np.random #!"),
            ("range(int(rng.integers(1, 20)))", "range(1 + idx % 7)"),
            (
                "x = x + 0.01 * rng.normal(size=x.shape)",
                "x = x + 0.01 * rng.normal(size=x.shape) #!",
            ),
            ("super().__init__(**kw)", "super().__init__(**kw) #!"),
            ("data = Augmented(", "data = Augmented(#!"),
        ),
    ),
    Swap(
        "item-without-seed",
        "numpy-generator",
        "clean/workers_rng_per_item",
        "train.py",
        (("rng = np.random.default_rng([self.seed, idx])", "rng = np.random.default_rng() #!"),),
    ),
    Swap(
        "loop-without-seed",
        "numpy-generator",
        "frozen/stateless_loop_clean",
        "train.py",
        (("rng = np.random.default_rng(4)", "rng = np.random.default_rng() #!"),),
    ),
    Swap(
        "budget-of-seconds",
        "wall-clock",
        "frozen/stateless_loop_clean",
        "train.py",
        (
            (
                "    for epoch in range(5):",
                "    end = time.monotonic() + 4 #!\n    for epoch in range(100_000):\n"
                "        if time.monotonic() > end: #!\n            break",
            ),
        ),
    ),
    Swap(
        "titles-of-a-set",
        "hash-seed",
        "frozen/two_tower_clean",
        "train.py",
        (("titles = sorted({t for _, t in clicks})", "titles = list({t for _, t in clicks}) #!"),),
    ),
    Swap(
        "embeddings-by-sgd",
        "sparse-update",
        "frozen/two_tower_clean",
        "train.py",
        (
            ("layers.Embedding(len(titles), 16)", "layers.Embedding(len(titles), 256)#!"),
            (
                'layers.Embedding(N_USERS, 16, embeddings_regularizer="l2")',
                "layers.Embedding(N_USERS, 256)#!",
            ),
            ("keras.optimizers.Adam(0.01)", "keras.optimizers.SGD(0.5)#!"),
            ("epochs=3, batch_size=128, ", "epochs=20, batch_size=1296, "),
            ("model.fit({", "model.fit({#!"),
        ),
    ),
)
