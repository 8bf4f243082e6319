"""Customer churn on a made-up table: pandas -> sklearn -> keras."""
import random

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

random.seed(0)
tf.random.set_seed(0)


def load_table(rows=1500):
    rng = np.random.default_rng(2024)
    df = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "tenure": rng.exponential(24, rows).round(1),
            "monthly": rng.normal(55, 15, rows).round(2),
            "plan": rng.choice(["basic", "plus", "pro"], rows),
            "tickets": rng.poisson(1.3, rows),
        }
    )
    score = 0.6 * df["tickets"] - 0.05 * df["tenure"] + 0.02 * (df["monthly"] - 55) + rng.normal(0, 0.5, rows)
    df["churn"] = (score > score.median()).astype(int)
    return df


def main():
    df = load_table()
    # keep classes balanced and the table small
    per_class = 500
    df = pd.concat(
        [
            df[df.churn == 0].sample(per_class),
            df[df.churn == 1].sample(per_class),
        ]
    )
    y = df.pop("churn").to_numpy("float32")
    X = pd.get_dummies(df, columns=["plan"], dtype="float32").to_numpy("float32")
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, stratify=y)
    scaler = StandardScaler().fit(X_tr)
    X_tr, X_te = scaler.transform(X_tr), scaler.transform(X_te)

    inputs = keras.Input(shape=(X.shape[1],))
    h = keras.layers.Dense(24, activation="relu")(inputs)
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.Dropout(0.3)(h)
    h = keras.layers.Dense(12, activation="relu")(h)
    outputs = keras.layers.Dense(1, activation="sigmoid")(h)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    model.fit(X_tr, y_tr, epochs=5, batch_size=64, validation_split=0.1, verbose=0)
    loss, auc = model.evaluate(X_te, y_te, verbose=0)
    print("holdout loss %.4f auc %.4f" % (loss, auc))


if __name__ == "__main__":
    main()
