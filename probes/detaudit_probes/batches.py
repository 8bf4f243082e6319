"""Arrays as input pipelines, in the form in which a user writes them: a ``keras.utils.PyDataset``."""
from typing import Any, Callable, Iterator, Optional

BATCH_SIZE = 4


def in_order(x: Any, y: Any) -> Any:
    """The rows as they stand, in batches of ``BATCH_SIZE``; the last may be smaller."""
    return shuffled(x, y, None)


def dataset() -> type:
    """The class that a loader derives from; before Keras 3 it is any, and :func:`endless` feeds it to ``fit``."""
    import keras

    return getattr(keras.utils, "PyDataset", object)


def endless(rows: Any) -> Iterator[Any]:
    """The batches of a loader, epoch after epoch, as ``fit_generator`` of Keras 2 takes them."""
    while True:
        for index in range(len(rows)):
            yield rows[index]
        if hasattr(rows, "on_epoch_end"):
            rows.on_epoch_end()


def shuffled(x: Any, y: Any, shuffle: Optional[Callable[[Any], Any]]) -> Any:
    """Like :func:`in_order`, but ``shuffle`` orders the row numbers, in place, before every epoch."""
    import numpy

    class Rows(dataset()):
        def __init__(self):
            super().__init__()
            self.order = numpy.arange(len(x))
            self.on_epoch_end()

        def __len__(self):
            return (len(x) + BATCH_SIZE - 1) // BATCH_SIZE

        def __getitem__(self, index):
            rows = self.order[index * BATCH_SIZE:(index + 1) * BATCH_SIZE]
            return x[rows], y[rows]

        def on_epoch_end(self):
            if shuffle is not None:
                shuffle(self.order)

    return Rows()
