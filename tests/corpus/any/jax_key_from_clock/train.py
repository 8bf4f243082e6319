import time

import jax
import jax.numpy as jnp

key = jax.random.PRNGKey(time.time_ns() % 2**31)
x = jnp.linspace(-1, 1, 400).reshape(100, 4)
y = x.sum(1)
params = {"w": jax.random.normal(key, (4,)), "b": jnp.zeros(())}


@jax.jit
def step(params, x, y):
    def loss(params):
        return ((x @ params["w"] + params["b"] - y) ** 2).mean()

    value, grads = jax.value_and_grad(loss)(params)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value


for number in range(20):
    params, value = step(params, x, y)
print("loss", float(value))
