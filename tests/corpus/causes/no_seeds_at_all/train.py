import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

# toy regression data
X = np.random.rand(800, 5)
y = X @ np.array([1.0, -2.0, 0.5, 3.0, 0.0]) + np.random.normal(scale=0.1, size=800)

model = keras.Sequential([
    layers.Input(shape=(5,)),
    layers.Dense(32, activation='relu'),
    layers.Dropout(0.1),
    layers.Dense(1),
])
model.compile(optimizer='adam', loss='mse', metrics=['mae'])
model.fit(X, y, epochs=5, batch_size=32, validation_split=0.2, verbose=2)
