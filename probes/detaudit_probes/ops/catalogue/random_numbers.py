"""Random numbers that should match: drawn from a seed that each call sets, and stateless
distributions.

Operations with a seed argument are also tried without it, as a user calls them by default.
"""

from detaudit_probes.ops.entry import FLOATS, Operation

SHAPE = (512, 512)


def _seeded(name, function, arguments=lambda inputs: (), dtypes=FLOATS):
    """``function(tf, dtype, *arguments, **seed)``; by default a user omits the seed.

    The kernel stores the state of its stream, so the call sets the global seed, which creates a new
    kernel.
    """

    def make(inputs):
        tf = inputs.tf

        def call(*tensors):
            tf.random.set_seed(7)
            return function(tf, inputs.dtype, *tensors, seed=3)

        return call, arguments(inputs)

    def unseeded(inputs):
        return (lambda *tensors: function(inputs.tf, inputs.dtype, *tensors)), arguments(inputs)

    return Operation(name, make, dtypes=dtypes, unseeded=unseeded)


def _candidates(name, sampler, **choices):
    """Sampled classes to distinguish from the true ones: by default a user gives no seed."""

    def sampled(tf, dtype, classes, **seed):
        sample = getattr(tf.random, sampler)
        return sample(
            classes, num_true=1, num_sampled=64, unique=True, range_max=1000, **choices, **seed
        )[0]

    return _seeded(
        name,
        sampled,
        lambda inputs: (inputs.tf.cast(inputs.indices(1000, 32, 1), "int64"),),
        FLOATS[:1],
    )


def _box(tf, dtype, boxes, **seed):
    return tf.image.sample_distorted_bounding_box(
        [480, 640, 3], boxes, min_object_covered=0.1, **seed
    )[2]


def _stateless(name, function, dtypes=FLOATS):
    return Operation(
        name, lambda inputs: ((lambda: function(inputs.tf, inputs.dtype)), ()), dtypes=dtypes
    )


def _categorical(inputs):
    return (lambda logits: inputs.tf.random.stateless_categorical(logits, 8, seed=(1, 2))), (
        inputs.normal(512, 64),
    )


OPERATIONS = (
    _seeded(
        "RandomUniform", lambda tf, dtype, **seed: tf.random.uniform(SHAPE, dtype=dtype, **seed)
    ),
    _seeded(
        "RandomUniformInt",
        lambda tf, dtype, **seed: tf.random.uniform(SHAPE, maxval=1000, dtype="int32", **seed),
        dtypes=FLOATS[:1],
    ),
    _seeded(
        "RandomStandardNormal",
        lambda tf, dtype, **seed: tf.random.normal(SHAPE, dtype=dtype, **seed),
    ),
    _seeded(
        "TruncatedNormal",
        lambda tf, dtype, **seed: tf.random.truncated_normal(SHAPE, dtype=dtype, **seed),
    ),
    _seeded(
        "RandomShuffle",
        lambda tf, dtype, rows, **seed: tf.random.shuffle(rows, **seed),
        lambda inputs: (inputs.normal(40000, 16),),
    ),
    _seeded(
        "Multinomial",
        lambda tf, dtype, logits, **seed: tf.random.categorical(logits, 8, **seed),
        lambda inputs: (inputs.normal(512, 64),),
    ),
    _seeded(
        "RandomGamma",
        lambda tf, dtype, **seed: tf.random.gamma(
            (256, 64), alpha=tf.cast(0.7, dtype), dtype=dtype, **seed
        ),
        dtypes=FLOATS[:2],
    ),
    _seeded(
        "RandomPoissonV2",
        lambda tf, dtype, **seed: tf.random.poisson((256, 64), 3.0, dtype=dtype, **seed),
        dtypes=FLOATS[:2],
    ),
    _seeded(
        "SampleDistortedBoundingBoxV2",
        _box,
        lambda inputs: (inputs.tf.constant([[[0.1, 0.2, 0.7, 0.9]]]),),
        FLOATS[:1],
    ),
    _candidates("UniformCandidateSampler", "uniform_candidate_sampler"),
    _candidates("LogUniformCandidateSampler", "log_uniform_candidate_sampler"),
    _candidates("LearnedUnigramCandidateSampler", "learned_unigram_candidate_sampler"),
    _candidates(
        "FixedUnigramCandidateSampler", "fixed_unigram_candidate_sampler", unigrams=[1.0] * 1000
    ),
    _stateless(
        "StatelessRandomGammaV3",
        lambda tf, dtype: tf.random.stateless_gamma(
            (256, 64), seed=(1, 2), alpha=tf.cast(0.7, dtype), dtype=dtype
        ),
        FLOATS[:2],
    ),
    _stateless(
        "StatelessRandomBinomial",
        lambda tf, dtype: tf.random.stateless_binomial(
            (256, 64), seed=(1, 2), counts=10.0, probs=0.3, output_dtype=dtype
        ),
        FLOATS[:2],
    ),
    _stateless(
        "StatelessRandomPoisson",
        lambda tf, dtype: tf.random.stateless_poisson((256, 64), seed=(1, 2), lam=3.0, dtype=dtype),
        FLOATS[:2],
    ),
    Operation("StatelessMultinomial", _categorical),
)
