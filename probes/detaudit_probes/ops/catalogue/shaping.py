"""Moving elements: nothing is computed, but if an element is read more than once, its gradient is a
sum.
"""

from detaudit_probes.ops.entry import simple

ROWS, IMAGES = (512, 256), (8, 16, 16, 8)

OPERATIONS = (
    simple("Tile", lambda tf, x: tf.tile(x, (4, 2)), ROWS, gradients=("Sum",)),
    simple(
        "BroadcastTo", lambda tf, x: tf.broadcast_to(x, (2048, 256)), (256,), gradients=("Sum",)
    ),
    simple("Pad", lambda tf, x: tf.pad(x, ((1, 1), (2, 2))), ROWS, gradients=("Slice",)),
    simple(
        "PadV2",
        lambda tf, x: tf.pad(x, ((1, 1), (2, 2)), constant_values=1),
        ROWS,
        gradients=("Slice",),
    ),
    simple(
        "MirrorPad",
        lambda tf, x: tf.pad(x, ((100, 100), (100, 100)), "SYMMETRIC"),
        ROWS,
        gradients=("MirrorPadGrad",),
    ),
    simple("ConcatV2", lambda tf, x, y: tf.concat((x, y), 1), ROWS, ROWS, gradients=("SplitV",)),
    simple("Transpose", lambda tf, x: tf.transpose(x), ROWS, gradients=("Transpose",)),
    simple(
        "ReverseV2", lambda tf, x: tf.reverse(x, (1,)), ROWS, gradients=("ReverseV2",), batch=True
    ),
    simple("Slice", lambda tf, x: tf.slice(x, (1, 1), (500, 200)), ROWS, gradients=("Pad",)),
    simple("StridedSlice", lambda tf, x: x[::3, ::2], ROWS, gradients=("StridedSliceGrad",)),
    simple(
        "Select",
        lambda tf, x, y: tf.raw_ops.Select(condition=x > 0, x=x, y=y),
        ROWS,
        ROWS,
        gradients=("Select",),
    ),
    simple(
        "SelectV2",
        lambda tf, x, y: tf.where(x > 0, x, y),
        ROWS,
        (256,),
        gradients=("Sum",),
        batch=True,
    ),
    simple(
        "SpaceToDepth",
        lambda tf, x: tf.nn.space_to_depth(x, 2),
        IMAGES,
        gradients=("DepthToSpace",),
        batch=True,
    ),
    simple(
        "DepthToSpace",
        lambda tf, x: tf.nn.depth_to_space(x, 2),
        IMAGES,
        gradients=("SpaceToDepth",),
        batch=True,
    ),
    simple(
        "SpaceToBatchND",
        lambda tf, x: tf.space_to_batch(x, (2, 2), ((0, 0), (0, 0))),
        IMAGES,
        gradients=("BatchToSpaceND",),
    ),
    simple(
        "BatchToSpaceND",
        lambda tf, x: tf.raw_ops.BatchToSpaceND(
            input=x, block_shape=(2, 2), crops=((0, 0), (0, 0))
        ),
        IMAGES,
        gradients=("SpaceToBatchND",),
    ),
    simple(
        "ExtractImagePatches",
        lambda tf, x: tf.image.extract_patches(x, (1, 3, 3, 1), (1, 1, 1, 1), (1, 1, 1, 1), "SAME"),
        (4, 16, 16, 4),
        gradients=("UnsortedSegmentSum",),
        dtypes=("float32",),
    ),
    simple("Roll", lambda tf, x: tf.roll(x, 3, 0), ROWS, gradients=("Roll",)),
)
