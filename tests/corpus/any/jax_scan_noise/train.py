import os

import jax
import jax.numpy as jnp

x = jnp.linspace(-1, 1, 400).reshape(100, 4)
y = jnp.sin(x.sum(1))
keys = jax.random.split(jax.random.PRNGKey(0), 3)
params = {"w": jax.random.normal(keys[0], (4, 16)) / 2, "v": jax.random.normal(keys[1], (16,)) / 4}
noise = jax.random.PRNGKey(int.from_bytes(os.urandom(4), "little"))


def loss(params, key):
    inputs = x + 0.1 * jax.random.normal(key, x.shape)
    return jnp.mean((jnp.tanh(inputs @ params["w"]) @ params["v"] - y) ** 2)


@jax.jit
def train(params, keys):
    def step(params, key):
        value, grads = jax.value_and_grad(loss)(params, key)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    return jax.lax.scan(step, params, keys)


for epoch, key in enumerate(jax.random.split(noise, 3)):
    params, losses = train(params, jax.random.split(key, 20))
    print(f"epoch {epoch}: {losses[-1]:.6f}")
