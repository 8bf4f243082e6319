import tensorflow as tf

x = tf.reshape(tf.linspace(-1.0, 1.0, 400), (100, 4))
y = tf.reduce_sum(x, axis=1, keepdims=True)
w = tf.Variable(tf.random.normal((4, 1)))
b = tf.Variable(tf.zeros((1,)))


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
    for variable, gradient in zip((w, b), tape.gradient(loss, (w, b))):
        variable.assign_sub(0.1 * gradient)
    return loss


for number in range(30):
    loss = step(x, y)
print("loss", float(loss), "w", w.numpy().ravel().tolist())
