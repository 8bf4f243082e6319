"""The updates of TensorFlow's own optimizers, dense and by index."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16
RATE, EPSILON = 0.01, 1e-7


def _apply(name, slots, numbers):
    """``slots`` are variables in addition to the updated one, ``numbers`` the scalars."""

    def make(inputs):
        tf, dense = inputs.tf, "Sparse" not in name
        shape = (512, 512) if dense else (KINDS, WIDTH)
        # The mean gradient is small compared to the mean square; else their variance is negative.
        begins = [
            inputs.uniform(*shape) * (0.1 if slot == "mg" else 1) for slot in ("var",) + slots
        ]
        variables = [tf.Variable(begin) for begin in begins]
        scalars = {key: tf.cast(value, inputs.dtype) for key, value in numbers.items()}
        named = {key: variable.handle for key, variable in zip(("var",) + slots, variables)}
        if not dense:
            named["indices"] = inputs.indices(KINDS, ROWS)

        def call(gradient):
            for variable, begin in zip(variables, begins):
                variable.assign(begin)
            gradient = {"delta" if name == "ResourceApplyGradientDescent" else "grad": gradient}
            getattr(tf.raw_ops, name)(**dict(named, **dict(scalars, **gradient)))
            return tuple(variable.read_value() for variable in variables)

        return call, (inputs.normal(*(shape if dense else (ROWS, WIDTH))),)

    return Operation(name, make)


_ADAM = {
    "beta1_power": 0.9,
    "beta2_power": 0.999,
    "lr": RATE,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": EPSILON,
}
_RMSPROP = {"lr": RATE, "rho": 0.9, "momentum": 0.9, "epsilon": EPSILON}
_FTRL = {"lr": RATE, "l1": 0.0, "l2": 0.0, "lr_power": -0.5}

OPERATIONS = (
    _apply("ResourceApplyGradientDescent", (), {"alpha": RATE}),
    _apply("ResourceApplyMomentum", ("accum",), {"lr": RATE, "momentum": 0.9}),
    _apply("ResourceApplyKerasMomentum", ("accum",), {"lr": RATE, "momentum": 0.9}),
    _apply("ResourceApplyAdam", ("m", "v"), _ADAM),
    _apply("ResourceApplyAdamWithAmsgrad", ("m", "v", "vhat"), _ADAM),
    _apply(
        "ResourceApplyAdaMax",
        ("m", "v"),
        {key: _ADAM[key] for key in _ADAM if key != "beta2_power"},
    ),
    _apply("ResourceApplyAdagradV2", ("accum",), {"lr": RATE, "epsilon": EPSILON}),
    _apply(
        "ResourceApplyAdadelta",
        ("accum", "accum_update"),
        {"lr": RATE, "rho": 0.9, "epsilon": EPSILON},
    ),
    _apply("ResourceApplyRMSProp", ("ms", "mom"), _RMSPROP),
    _apply("ResourceApplyCenteredRMSProp", ("mg", "ms", "mom"), _RMSPROP),
    _apply("ResourceApplyFtrl", ("accum", "linear"), _FTRL),
    _apply("ResourceSparseApplyMomentum", ("accum",), {"lr": RATE, "momentum": 0.9}),
    _apply("ResourceSparseApplyKerasMomentum", ("accum",), {"lr": RATE, "momentum": 0.9}),
    _apply("ResourceSparseApplyAdagrad", ("accum",), {"lr": RATE}),
    _apply("ResourceSparseApplyAdagradV2", ("accum",), {"lr": RATE, "epsilon": EPSILON}),
    _apply("ResourceSparseApplyRMSProp", ("ms", "mom"), _RMSPROP),
    _apply("ResourceSparseApplyFtrl", ("accum", "linear"), _FTRL),
)
