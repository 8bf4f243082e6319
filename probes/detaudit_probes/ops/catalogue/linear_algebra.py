"""Decompositions, solvers and transforms."""

from detaudit_probes.ops.entry import FLOATS, simple

ONE = FLOATS[:1]
MATRICES = (8, 48, 48)


def _positive(tf, x):
    return tf.matmul(x, x, transpose_b=True) + 48 * tf.eye(48, dtype=x.dtype)


def _diagonally(tf, x):
    return x + 48 * tf.eye(48, dtype=x.dtype)


def _svd(tf, x):
    """Includes a single column: the library has a message about op determinism only for
    that case.
    """
    return tuple(tf.linalg.svd(each, compute_uv=False) for each in (x, x[..., :1]))


def _tridiagonal(tf, x, y):
    """The main diagonal dominates, so that rounding does not decide the pivots."""
    diagonals = x + tf.constant([[0.0], [8.0], [0.0]], x.dtype)
    return tf.linalg.tridiagonal_solve(diagonals, y)


OPERATIONS = (
    simple(
        "Cholesky",
        lambda tf, x: tf.linalg.cholesky(_positive(tf, x)),
        MATRICES,
        batch=True,
        gradients=("MatrixTriangularSolve",),
        dtypes=ONE,
    ),
    simple("Qr", lambda tf, x: tf.linalg.qr(x)[1], MATRICES, batch=True, dtypes=ONE),
    simple("Svd", _svd, MATRICES, batch=True, dtypes=ONE),
    simple(
        "SelfAdjointEigV2",
        lambda tf, x: tf.linalg.eigvalsh(_positive(tf, x)),
        MATRICES,
        batch=True,
        dtypes=ONE,
    ),
    simple(
        "MatrixInverse",
        lambda tf, x: tf.linalg.inv(_diagonally(tf, x)),
        MATRICES,
        gradients=("BatchMatMulV2",),
        batch=True,
        dtypes=ONE,
    ),
    simple(
        "MatrixSolve",
        lambda tf, x, y: tf.linalg.solve(_diagonally(tf, x), y),
        MATRICES,
        (8, 48, 4),
        gradients=("MatrixSolve",),
        dtypes=ONE,
    ),
    simple(
        "MatrixDeterminant",
        lambda tf, x: tf.linalg.det(_diagonally(tf, x) / 48),
        MATRICES,
        gradients=("MatrixInverse",),
        batch=True,
        dtypes=ONE,
    ),
    simple(
        "LogMatrixDeterminant",
        lambda tf, x: tf.linalg.slogdet(_diagonally(tf, x))[1],
        MATRICES,
        batch=True,
        dtypes=ONE,
    ),
    simple(
        "MatrixTriangularSolve",
        lambda tf, x, y: tf.linalg.triangular_solve(_diagonally(tf, x), y),
        MATRICES,
        (8, 48, 4),
        gradients=("BatchMatMulV2",),
        dtypes=ONE,
    ),
    simple(
        "MatrixBandPart",
        lambda tf, x: tf.linalg.band_part(x, 2, 3),
        MATRICES,
        gradients=("MatrixBandPart",),
        batch=True,
    ),
    simple(
        "TridiagonalSolve",
        _tridiagonal,
        (8, 3, 512),
        (8, 512, 4),
        gradients=("TridiagonalSolve",),
        dtypes=ONE,
    ),
    simple(
        "FFT",
        lambda tf, x, y: tf.abs(tf.signal.fft(tf.complex(x, y))),
        (256, 512),
        (256, 512),
        gradients=("IFFT",),
        dtypes=ONE,
    ),
    simple("RFFT", lambda tf, x: tf.signal.rfft(x), (256, 512), batch=True, dtypes=ONE),
    simple("RFFT2D", lambda tf, x: tf.signal.rfft2d(x), (16, 64, 64), batch=True, dtypes=ONE),
    simple(
        "Cross", lambda tf, x, y: tf.linalg.cross(x, y), (8192, 3), (8192, 3), gradients=("Cross",)
    ),
)
