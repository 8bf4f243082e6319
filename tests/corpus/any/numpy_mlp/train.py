import numpy as np

rng = np.random.default_rng()
x = np.linspace(-2, 2, 200)[:, None]
y = np.sin(2 * x)
w1, b1 = rng.normal(size=(1, 16)), np.zeros(16)
w2, b2 = rng.normal(size=(16, 1)) / 4, np.zeros(1)
for epoch in range(200):
    hidden = np.tanh(x @ w1 + b1)
    error = hidden @ w2 + b2 - y
    back = (error @ w2.T) * (1 - hidden**2)
    w2 -= 0.1 * hidden.T @ error / len(x)
    b2 -= 0.1 * error.mean(0)
    w1 -= 0.1 * x.T @ back / len(x)
    b1 -= 0.1 * back.mean(0)
    if epoch % 50 == 0:
        print("epoch", epoch, "mse", float((error**2).mean()))
np.savez("weights.npz", w1=w1, b1=b1, w2=w2, b2=b2)
