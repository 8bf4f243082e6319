"""Arrays as input pipelines, in the form in which a user writes them: a ``keras.utils.PyDataset``."""
from typing import Any, Callable, Optional

BATCH_SIZE = 4


def in_order(x: Any, y: Any) -> Any:
    """The rows as they stand, in batches of ``BATCH_SIZE``; the last may be smaller."""
    return shuffled(x, y, None)


def shuffled(x: Any, y: Any, shuffle: Optional[Callable[[Any], Any]]) -> Any:
    """Like :func:`in_order`, but ``shuffle`` orders the row numbers, in place, before every epoch."""
    import keras
    import numpy

    class Rows(keras.utils.PyDataset):
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
