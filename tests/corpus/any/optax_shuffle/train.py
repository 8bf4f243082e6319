import jax
import jax.numpy as jnp
import numpy as np
import optax

x = np.linspace(-1, 1, 800, dtype="float32").reshape(200, 4)
y = (x**2).sum(1)
params = {"w": jax.random.normal(jax.random.PRNGKey(0), (4, 8)), "v": jnp.ones(8) / 8}
optimizer = optax.adam(1e-2)
state = optimizer.init(params)


@jax.jit
def step(params, state, x, y):
    grads = jax.grad(lambda p: ((jnp.tanh(x @ p["w"]) @ p["v"] - y) ** 2).mean())(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state


for epoch in range(3):
    order = np.random.permutation(len(x))
    for rows in order.reshape(-1, 20):
        params, state = step(params, state, x[rows], y[rows])
np.savez("params.npz", **params)
