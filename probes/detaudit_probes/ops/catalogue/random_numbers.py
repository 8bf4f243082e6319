"""Random numbers that are to repeat: drawn from a seed that each call sets, and distributions without a state."""
from detaudit_probes.ops.entry import FLOATS, Operation

SHAPE = (512, 512)


def _seeded(name, function):
    """The kernel holds the state of its stream, so the call sets the global seed, which makes a new kernel."""

    def make(inputs):
        tf = inputs.tf

        def call():
            tf.random.set_seed(7)
            return function(tf, inputs.dtype)

        return call, ()

    return Operation(name, make)


def _shuffle(inputs):
    tf = inputs.tf

    def call(rows):
        tf.random.set_seed(7)
        return tf.random.shuffle(rows, seed=3)

    return call, (inputs.normal(40000, 16),)


def _stateless(name, function, dtypes=FLOATS):
    return Operation(name, lambda inputs: ((lambda: function(inputs.tf, inputs.dtype)), ()), dtypes=dtypes)


def _categorical(inputs):
    return (lambda logits: inputs.tf.random.stateless_categorical(logits, 8, seed=(1, 2))), (inputs.normal(512, 64),)


OPERATIONS = (
    _seeded("RandomUniform", lambda tf, dtype: tf.random.uniform(SHAPE, seed=3, dtype=dtype)),
    _seeded("RandomStandardNormal", lambda tf, dtype: tf.random.normal(SHAPE, seed=3, dtype=dtype)),
    _seeded("TruncatedNormal", lambda tf, dtype: tf.random.truncated_normal(SHAPE, seed=3, dtype=dtype)),
    Operation("RandomShuffle", _shuffle),
    _stateless("StatelessRandomGammaV3", lambda tf, dtype: tf.random.stateless_gamma(
        (256, 64), seed=(1, 2), alpha=tf.cast(0.7, dtype), dtype=dtype), FLOATS[:2]),
    _stateless("StatelessRandomBinomial", lambda tf, dtype: tf.random.stateless_binomial(
        (256, 64), seed=(1, 2), counts=10.0, probs=0.3, output_dtype=dtype), FLOATS[:2]),
    _stateless("StatelessRandomPoisson", lambda tf, dtype: tf.random.stateless_poisson(
        (256, 64), seed=(1, 2), lam=3.0, dtype=dtype), FLOATS[:2]),
    Operation("StatelessMultinomial", _categorical),
)
