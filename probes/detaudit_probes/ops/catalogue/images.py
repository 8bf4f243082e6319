"""Images: resizing, whose gradient sums over the copies of a pixel, and colors."""

from detaudit_probes.ops.entry import FLOATS, Operation, simple

IMAGES, LARGE = (8, 16, 16, 8), (41, 43)


def _resize(name, gradient="", dtypes=FLOATS):
    def function(tf, x):
        return getattr(tf.raw_ops, name)(images=x, size=LARGE)

    return simple(
        name, function, IMAGES, gradients=(gradient,) if gradient else (), batch=True, dtypes=dtypes
    )


def _boxes(inputs):
    tf = inputs.tf
    corners = tf.cast(inputs.uniform(64, 4), "float32")
    boxes = tf.concat((corners[:, :2] / 2, 0.5 + corners[:, 2:] / 2), 1)
    images = inputs.indices(8, 64)
    return (lambda x, boxes: tf.image.crop_and_resize(x, boxes, images, (14, 14))), (
        tf.cast(inputs.normal(8, 32, 32, 4), "float32"),
        boxes,
    )


def _turned(inputs):
    tf = inputs.tf
    turns = tf.tile([[0.9, 0.1, 1.0, -0.1, 0.9, 0.5, 0.0, 0.0]], (8, 1))
    return (
        lambda x: tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=turns,
            output_shape=(32, 32),
            fill_value=0.0,
            interpolation="BILINEAR",
        )
    ), (inputs.normal(8, 32, 32, 4),)


COLOURS = (8, 64, 64, 3)

OPERATIONS = (
    _resize("ResizeBilinear", "ResizeBilinearGrad"),
    _resize("ResizeNearestNeighbor", "ResizeNearestNeighborGrad"),
    _resize("ResizeBicubic", "ResizeBicubicGrad", FLOATS[:1]),
    _resize("ResizeArea"),
    simple(
        "ScaleAndTranslate",
        lambda tf, x: tf.image.resize(x, LARGE, "lanczos3"),
        IMAGES,
        gradients=("ScaleAndTranslateGrad",),
        dtypes=("float32",),
    ),
    Operation(
        "CropAndResize",
        _boxes,
        gradients=("CropAndResizeGradImage", "CropAndResizeGradBoxes"),
        dtypes=("float32",),
    ),
    Operation("ImageProjectiveTransformV3", _turned, gradients=("ImageProjectiveTransformV3",)),
    simple(
        "AdjustContrastv2",
        lambda tf, x: tf.raw_ops.AdjustContrastv2(images=x, contrast_factor=1.5),
        COLOURS,
        batch=True,
        draw="uniform",
        dtypes=FLOATS[:1],
    ),
    simple(
        "AdjustHue",
        lambda tf, x: tf.raw_ops.AdjustHue(images=x, delta=0.2),
        COLOURS,
        batch=True,
        draw="uniform",
        dtypes=FLOATS[:1],
    ),
    simple(
        "AdjustSaturation",
        lambda tf, x: tf.raw_ops.AdjustSaturation(images=x, scale=1.5),
        COLOURS,
        batch=True,
        draw="uniform",
        dtypes=FLOATS[:1],
    ),
    simple("RGBToHSV", lambda tf, x: tf.image.rgb_to_hsv(x), COLOURS, batch=True, draw="uniform"),
    simple("HSVToRGB", lambda tf, x: tf.image.hsv_to_rgb(x), COLOURS, batch=True, draw="uniform"),
)
