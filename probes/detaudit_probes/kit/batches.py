"""Arrays as input pipelines, in the form in which a user writes them: a
``keras.utils.PyDataset``.
"""

import inspect
from typing import Any, Callable, Iterator, Optional

BATCH_SIZE = 4


def in_order(x: Any, y: Any) -> Any:
    """Return the rows in their order, in batches of ``BATCH_SIZE``; the last may be smaller."""
    return shuffled(x, y, None)


def dataset() -> type:
    """Return the base class of loaders; if Keras has none, :func:`endless` feeds the loader to
    ``fit``.
    """
    import keras

    return getattr(keras.utils, "PyDataset", None) or getattr(keras.utils, "Sequence", object)


def of_workers(rows: Any, made: Callable[..., None], workers: int) -> None:
    """Create a loader with ``made`` of its class, with ``workers`` threads. In Keras 2, ``fit``
    takes this number.
    """
    import keras

    if hasattr(keras.utils, "PyDataset"):
        made(workers=workers, use_multiprocessing=False)
    else:
        made()
        rows.workers = workers


def on_threads(dataset: Any, count: int) -> Any:
    """Run a ``tf.data`` pipeline on a private pool of ``count`` threads, which race even on one
    core and on a busy machine.
    """
    import tensorflow as tf

    options = tf.data.Options()
    # Before TensorFlow 2.7
    threading = getattr(options, "threading", None) or options.experimental_threading
    threading.private_threadpool_size = count
    return dataset.with_options(options)


def dataset_class() -> Any:
    """Return the class of ``tf.data`` pipelines in TensorFlow 2; None if TensorFlow is older."""
    try:
        from tensorflow.python.data.ops import dataset_ops
    except ImportError:
        return None
    return getattr(dataset_ops, "DatasetV2", None)


def follow_calls(session: Any, around: Callable[..., Any], *names: str) -> None:
    """Replace these methods of ``tf.data`` pipelines with ``around(arguments, call)``: ``call()``
    calls the method with the mapping ``arguments``, which ``around`` may change.
    """

    def following(given: Any) -> Any:
        signature = inspect.signature(given)

        def called(*arguments: Any, **named: Any) -> Any:
            bound = signature.bind(*arguments, **named)
            return around(bound.arguments, lambda: given(*bound.args, **bound.kwargs))

        return called

    for name in names:
        session.wrap(dataset_class(), name, following)


def endless(rows: Any) -> Iterator[Any]:
    """Return the batches of a loader, epoch after epoch, as Keras 2's ``fit_generator``
    takes them.
    """
    while True:
        for index in range(len(rows)):
            yield rows[index]
        if hasattr(rows, "on_epoch_end"):
            rows.on_epoch_end()


def shuffled(x: Any, y: Any, shuffle: Optional[Callable[[Any], Any]]) -> Any:
    """Like :func:`in_order`, but ``shuffle`` reorders the row numbers, in place, before every
    epoch.
    """
    import numpy

    class Rows(dataset()):
        def __init__(self):
            super().__init__()
            self.order = numpy.arange(len(x))
            self.on_epoch_end()

        def __len__(self):
            return (len(x) + BATCH_SIZE - 1) // BATCH_SIZE

        def __getitem__(self, index):
            rows = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
            return x[rows], y[rows]

        def on_epoch_end(self):
            if shuffle is not None:
                shuffle(self.order)

    return Rows()
