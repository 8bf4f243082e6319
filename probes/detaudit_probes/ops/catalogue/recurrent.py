"""Cells of recurrent layers that are single operations: matrix products in a loop over time."""

from detaudit_probes.ops.entry import FLOATS, simple

STEPS, ROWS, WIDTH = 8, 32, 32


def _lstm(tf, x, kernel, bias):
    begin, peephole = tf.zeros((ROWS, WIDTH), x.dtype), tf.zeros((WIDTH,), x.dtype)
    return tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(STEPS, tf.int64),
        x=x,
        cs_prev=begin,
        h_prev=begin,
        w=kernel,
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=bias,
        cell_clip=0.0,
        use_peephole=False,
    )[6]


def _gru(tf, x, state, kernel, candidate, bias, candidate_bias):
    return tf.raw_ops.GRUBlockCell(
        x=x, h_prev=state, w_ru=kernel, w_c=candidate, b_ru=bias, b_c=candidate_bias
    )[3]


OPERATIONS = (
    simple(
        "BlockLSTMV2",
        _lstm,
        (STEPS, ROWS, 24),
        (24 + WIDTH, 4 * WIDTH),
        (4 * WIDTH,),
        gradients=("BlockLSTMGrad",),
        dtypes=FLOATS[:2],
    ),
    simple(
        "GRUBlockCell",
        _gru,
        (256, 64),
        (256, 64),
        (128, 128),
        (128, 64),
        (128,),
        (64,),
        dtypes=FLOATS[:1],
    ),
)
