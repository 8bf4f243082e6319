import tensorflow as tf

tf.random.set_seed(0)


class Model(tf.Module):
    def __init__(self):
        self.w = tf.Variable(tf.random.stateless_normal((4, 8), seed=(0, 1)) / 2)
        self.v = tf.Variable(tf.random.stateless_normal((8, 1), seed=(0, 2)) / 3)

    def __call__(self, x):
        return tf.tanh(x @ self.w) @ self.v

    @tf.function
    def step(self, x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        for variable, gradient in zip((self.w, self.v), tape.gradient(loss, (self.w, self.v))):
            variable.assign_sub(0.1 * gradient)
        return loss


def augmented(x, y):
    return x + tf.random.normal((4,), stddev=0.1), y


x = tf.reshape(tf.linspace(-1.0, 1.0, 800), (200, 4))
y = tf.reduce_sum(x**2, axis=1, keepdims=True)
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(200, seed=1)
data = data.map(augmented, num_parallel_calls=4).batch(20)
model = Model()
for epoch in range(3):
    for inputs, targets in data:
        loss = model.step(inputs, targets)
    print(f"epoch {epoch}: {float(loss):.6f}")
