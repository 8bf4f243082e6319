import jax
import jax.numpy as jnp
import numpy as np
import optax

x = np.linspace(-1, 1, 800, dtype="float32").reshape(200, 4)
y = (x**2).sum(1)
key, first = jax.random.split(jax.random.PRNGKey(0))
params = {"w": jax.random.normal(first, (4, 8)), "v": jnp.ones(8) / 8}
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1e-1, momentum=0.9))
state = optimizer.init(params)


@jax.jit
def step(params, state, x, y):
    grads = jax.grad(lambda p: ((jnp.tanh(x @ p["w"]) @ p["v"] - y) ** 2).mean())(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state


for epoch in range(3):
    key, used = jax.random.split(key)
    order = np.asarray(jax.random.permutation(used, len(x)))
    for rows in order.reshape(-1, 20):
        params, state = step(params, state, x[rows], y[rows])
np.savez("params.npz", **params)
