"""The type of an entry of the catalogue, and the generator of its inputs."""

from typing import Any, Callable, NamedTuple, Optional, Tuple

#: The dtypes that an entry is tried with, if its kernels support them.
FLOATS: Tuple[str, ...] = ("float32", "float16", "bfloat16")


Make = Callable[["Inputs"], Tuple[Callable[..., Any], Tuple[Any, ...]]]


class Operation(NamedTuple):
    """One operation as TensorFlow registers it, and a call that runs it.

    ``make(inputs)`` returns ``(call, arguments)``: ``call(*arguments)`` returns a tensor, or a
    tuple of them, and does the same each time. If ``gradients`` names the operations of its
    gradient, it is differentiated with regard to the floating-point arguments. ``batch`` says
    whether the first axis of the first argument and of the first result counts independent
    examples, and the other arguments have no such axis. ``dtypes`` are those to try. ``unseeded``
    creates the call of a random operation as a user writes it by default, without a seed argument.
    """

    name: str
    make: Make
    gradients: Tuple[str, ...] = ()
    batch: bool = False
    dtypes: Tuple[str, ...] = FLOATS
    unseeded: Optional[Make] = None


class Inputs:
    """Tensors for one entry, the same in every process: drawn from NumPy's legacy generator with a
    fixed seed.

    ``tf`` is the framework, ``dtype`` the name of the dtype that is tried.
    """

    def __init__(self, tf: Any, dtype: str) -> None:
        import numpy

        self.tf, self.dtype = tf, dtype
        self._rng = numpy.random.RandomState(20170522)

    def normal(self, *shape: int) -> Any:
        """Return standard normal numbers of the dtype that is tried."""
        return self.tf.cast(
            self.tf.constant(self._rng.standard_normal(shape).astype("float32")), self.dtype
        )

    def uniform(self, *shape: int) -> Any:
        """Return numbers of the dtype that is tried, above 0.05 and at most 1."""
        drawn = 1 - 0.95 * self._rng.random_sample(shape)
        return self.tf.cast(self.tf.constant(drawn.astype("float32")), self.dtype)

    def around_one(self, *shape: int) -> Any:
        """Return factors around one: a product of thousands of them is neither zero
        nor infinite.
        """
        drawn = 1 + 0.03 * self._rng.standard_normal(shape)
        return self.tf.cast(self.tf.constant(drawn.astype("float32")), self.dtype)

    def indices(self, limit: int, *shape: int, dtype: str = "int32") -> Any:
        """Return integers below ``limit``, more than there are values, so that they repeat."""
        return self.tf.constant(self._rng.randint(0, limit, size=shape).astype(dtype))

    def variable(self, *shape: int) -> Any:
        """Return a resource variable of standard normal numbers."""
        return self.tf.Variable(self.normal(*shape))


Shape = Tuple[int, ...]


def simple(
    name: str,
    function: Callable[..., Any],
    *shapes: Shape,
    gradients: Tuple[str, ...] = (),
    batch: bool = False,
    draw: str = "normal",
    dtypes: Tuple[str, ...] = FLOATS,
) -> Operation:
    """Return an entry whose inputs are all tensors of random numbers: ``function(tf,
    *tensors)``.
    """

    def make(inputs: Inputs) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        tensors = tuple(getattr(inputs, draw)(*shape) for shape in shapes)
        return (lambda *given: function(inputs.tf, *given)), tensors

    return Operation(name, make, gradients, batch, dtypes)
