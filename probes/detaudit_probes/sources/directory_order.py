"""The order of a directory: ``os.listdir`` and ``glob`` give files in the order of the file system.

"The list is in arbitrary order", says the documentation of ``os.listdir``; ``os.scandir``,
``glob``, ``pathlib.Path.iterdir`` and ``os.walk`` inherit it. On one machine the order usually
repeats itself, which is why nobody notices; a copy of the same folder, another file system or
another machine lists it otherwise, and shards that are read in another order train another model.
TensorFlow's own functions (``tf.io.gfile``, and ``tf.data.Dataset.list_files``, which shuffles
unless told not to) read directories in C++ and are not provoked.

The probe writes shards of the data into a folder of the trial and reads them as users do, with
``glob.glob``. Provoked, ``os.listdir`` and ``os.scandir`` give what is there in an order that
depends on the trial's draw, as another machine's file system would.
"""

import os

from detaudit_probes.declare import BACKENDS, Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "directory-order"
PIN = "sorted-listing"

SOURCE = Source(
    id=ID,
    family="order",
    title="the order of a directory",
    breaks="Files are read in the order in which the file system happens to list them.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True, settings=Settings(epochs=1)),
    pins=(
        Pin(
            id=PIN,
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
        edits=(
            Edit(
                "wrap",
                calls=("listdir", "glob", "iglob", "rglob", "iterdir", "scandir"),
                form="sorted({call})",
            ),
        ),
    ),
)


class _Listing(object):
    """What ``os.scandir`` returns: an iterator that can be closed and used in a ``with``
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
    """Make every listing a permutation: the same one for the same names, as one file system would
    give.
    """
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
    """One file a row: as many files as the data allow, so that two orders are practically never the
    same.
    """
    import numpy

    os.mkdir(folder)
    for row in range(len(x)):
        numpy.savez(
            os.path.join(folder, "shard-%03d.npz" % row), x=x[row : row + 1], y=y[row : row + 1]
        )


def pin_script(session, name):
    """In a user's process every listing is sorted."""
    _listings(session, lambda names, key=None: sorted(names, key=key))


def vary(session):
    """Listings in another order: that of the trial's draw."""
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
