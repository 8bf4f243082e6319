import keras
import numpy as np
import tensorflow as tf

from . import Tagger


def jitter(tokens, label):
    keep = tf.random.uniform(tf.shape(tokens)) > 0.1
    return tf.where(keep, tokens, 0), label


def main():
    keras.utils.set_random_seed(71)
    tf.config.experimental.enable_op_determinism()
    tokens = np.random.randint(1, 40, size=(1000, 15)).astype("int32")
    labels = ((tokens > 30).sum(axis=1) >= 4).astype("float32")
    ds = tf.data.Dataset.from_tensor_slices((tokens, labels)).shuffle(1000)
    ds = ds.map(jitter, num_parallel_calls=tf.data.AUTOTUNE).batch(100)
    model = Tagger(40)
    lr = keras.optimizers.schedules.PolynomialDecay(1.0, 40, 0.1)
    model.compile(optimizer=keras.optimizers.SGD(lr))
    model.fit(ds, epochs=4, verbose=2)


if __name__ == "__main__":
    main()
