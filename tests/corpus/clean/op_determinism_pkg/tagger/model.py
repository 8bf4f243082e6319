import keras
import tensorflow as tf


class Tagger(keras.Model):
    """Embedding, mean and a small head, with label smoothing done in train_step."""

    def __init__(self, vocab, dim=32, smoothing=0.1):
        super().__init__()
        self.embed = keras.layers.Embedding(vocab, dim)
        self.drop = keras.layers.Dropout(0.2)
        self.head = keras.layers.Dense(1)
        self.smoothing = smoothing
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, tokens, training=False):
        h = tf.reduce_mean(self.embed(tokens), axis=1)
        return self.head(self.drop(h, training=training))

    def train_step(self, data):
        tokens, labels = data
        labels = labels * (1 - self.smoothing) + 0.5 * self.smoothing
        with tf.GradientTape() as tape:
            logits = self(tokens, training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result(), "lr": self.optimizer.learning_rate}

    @property
    def metrics(self):
        return [self.loss_tracker]
