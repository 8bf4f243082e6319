"""A recurrent network: sequences of eight steps, sixteen LSTM units."""

from detaudit_probes.kit.models import Tiny, spread, stack


def build(trial):
    import keras

    choices = {} if trial.settings.use_cudnn is None else {"use_cudnn": trial.settings.use_cudnn}
    model = stack((8, 4), [keras.layers.LSTM(16, **choices), keras.layers.Dense(1)])
    return Tiny(model, spread(32, 8, 4), spread(32, 1), batch_size=16, epochs=2)
