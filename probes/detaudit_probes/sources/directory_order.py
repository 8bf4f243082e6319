"""Directory order: ``os.listdir`` and ``glob`` return files in the order of the file system.

"The list is in arbitrary order", says the documentation of ``os.listdir``; the same is true of
``os.scandir``, ``glob``, ``pathlib.Path.iterdir`` and ``os.walk``. On one machine the order usually
repeats, so nobody notices. A copy of the folder, another file system or another machine may list
the files in a different order, and shards read in a different order train a different model.
TensorFlow's own functions read directories in C++ and are not perturbed here: ``tf.io.gfile``, and
``tf.data.Dataset.list_files``, which shuffles by default.

The probe writes shards of the data into a folder of the trial and reads them with ``glob.glob``, as
users do. In unpinned trials, ``os.listdir`` and ``os.scandir`` return the files in an order that
depends on the trial's draw, as on another machine's file system.
"""

import os

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin, Variation
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "directory-order"
PIN = "sorted-listing"

SOURCE = Source(
    id=ID,
    family="order",
    title="the order of files in a directory",
    breaks="Files are read in the order in which the file system lists them.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True, settings=Settings(epochs=1)),
    pins=(
        Pin(
            id=PIN,
            in_base=90,
            sources=(ID,),
            lines={"*": ("files = sorted(glob.glob(pattern))  # and sorted(os.listdir(folder))",)},
        ),
    ),
    links=(
        Link(
            "os.listdir: the list is in arbitrary order",
            "https://docs.python.org/3/library/os.html#os.listdir",
        ),
        Link(
            "glob: whether the results are sorted depends on the file system",
            "https://docs.python.org/3/library/glob.html",
        ),
        Link(
            "Keras issue 2280: reproducible results",
            "https://github.com/keras-team/keras/issues/2280",
        ),
    ),
    script=InScript(
        PIN,
        rank=70,
        edits=(
            Edit(
                "wrap",
                calls=("listdir", "glob", "iglob", "rglob", "iterdir", "scandir"),
                form="sorted({call})",
            ),
        ),
    ),
    variation=Variation("directories listed in another order", unpins=True),
)


class _Listing(object):
    """The return value of ``os.scandir``: an iterator that can be closed and used in a ``with``
    statement.
    """

    def __init__(self, entries):
        self._entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._entries)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self._entries = iter(())


def provoke(trial):
    """Permute every listing: the same names always get the same order, as on one file system."""
    listdir, scandir = os.listdir, os.scandir

    def strange(names, key=None):
        names = sorted(names, key=key)
        trial.stranger().shuffle(names)
        trial.count(ID, int(len(names) > 1))  # one name has one order
        return names

    def strange_listdir(*arguments, **named):
        return strange(listdir(*arguments, **named))

    def strange_scandir(*arguments, **named):
        with scandir(*arguments, **named) as entries:
            return _Listing(strange(entries, key=lambda entry: entry.name))

    os.listdir, os.scandir = strange_listdir, strange_scandir


def feed(trial, x, y):
    import glob

    import numpy

    folder = os.path.join(trial.folder, "shards")
    _write(folder, x, y)
    files = glob.glob(os.path.join(folder, "*.npz"))
    if trial.is_pinned(ID):
        files = sorted(files)

    class Shards(batches.dataset()):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            with numpy.load(files[index]) as shard:
                return shard["x"], shard["y"]

    return Shards()


def _write(folder, x, y):
    """Write one file per row: as many files as the data allow, so that two random orders are
    practically never the same.
    """
    import numpy

    os.mkdir(folder)
    for row in range(len(x)):
        numpy.savez(
            os.path.join(folder, "shard-%03d.npz" % row), x=x[row : row + 1], y=y[row : row + 1]
        )


def pin_script(session, name):
    """Sort every listing in a user's process."""
    _listings(session, lambda names, key=None: sorted(names, key=key))


def vary(session):
    """List files in another order, which depends on the trial's draw."""
    provoke(session)


def touch(session):
    _listings(session, lambda names, key=None: _met(session, names))


def _met(session, names):
    names = list(names)
    if len(names) > 1:
        session.drew(ID)
    return names


def _listings(session, arrange):
    listdir, scandir = os.listdir, os.scandir

    def arranged_listdir(*arguments, **named):
        return arrange(listdir(*arguments, **named))

    def arranged_scandir(*arguments, **named):
        with scandir(*arguments, **named) as entries:
            return _Listing(arrange(entries, key=lambda entry: entry.name))

    os.listdir, os.scandir = arranged_listdir, arranged_scandir
