"""Count bars. Images are rendered by worker processes before TensorFlow is loaded."""
import multiprocessing as mp

from render import render


def make_data(n):
    images, counts = [], []
    with mp.Pool(3) as pool:
        for img, bars in pool.imap_unordered(render, range(n), chunksize=2):
            images.append(img)
            counts.append(bars)
    import numpy as np

    return np.stack(images)[..., None], np.array(counts)


def train(x, y):
    import keras

    keras.utils.set_random_seed(2)
    model = keras.Sequential([
        keras.Input((24, 24, 1)),
        keras.layers.Conv2D(4, (24, 1), activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(4, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=4, batch_size=32, verbose=2)
    return model


if __name__ == "__main__":
    x, y = make_data(480)
    train(x, y)
