"""Elementwise activations."""

from detaudit_probes.ops.entry import simple

ROWS = (512, 512)


def _of(name, gradient, function):
    return simple(name, function, ROWS, gradients=(gradient,), batch=True)


OPERATIONS = (
    _of("Relu", "ReluGrad", lambda tf, x: tf.nn.relu(x)),
    _of("Relu6", "Relu6Grad", lambda tf, x: tf.nn.relu6(x)),
    _of("LeakyRelu", "LeakyReluGrad", lambda tf, x: tf.nn.leaky_relu(x)),
    _of("Elu", "EluGrad", lambda tf, x: tf.nn.elu(x)),
    _of("Selu", "SeluGrad", lambda tf, x: tf.nn.selu(x)),
    _of("Softplus", "Sigmoid", lambda tf, x: tf.nn.softplus(x)),
    _of("Softsign", "SoftsignGrad", lambda tf, x: tf.nn.softsign(x)),
    _of("Sigmoid", "SigmoidGrad", lambda tf, x: tf.sigmoid(x)),
    _of("Tanh", "TanhGrad", lambda tf, x: tf.tanh(x)),
)
