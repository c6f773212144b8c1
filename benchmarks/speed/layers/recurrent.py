"""Recurrent layers, from a state of zeros to the state after every step."""

from functools import partial
from typing import Any

from chainrule import Gru, Lstm, gru, lstm
from speed.line import Line

SIZES = (32, 16, 32), (64, 32, 64), (64, 64, 128)


def lstm_in_torch(torch: Any, x: Any, W: Any, U: Any, b: Any) -> Any:
    """From a state of zeros, with a second bias of zeros."""
    start = x.new_zeros((1, x.shape[0], U.shape[0]))
    return torch.lstm(x, (start, start), [W.T, U.T, b, torch.zeros_like(b)], True, 1, 0.0, False, False, True)[0]


def gru_in_torch(torch: Any, x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
    """From a state of zeros."""
    start = x.new_zeros((1, x.shape[0], U.shape[0]))
    return torch.gru(x, start, [W.T, U.T, b, c], True, 1, 0.0, False, False, True)[0]


def lstm_in_jax(jax: Any, x: Any, W: Any, U: Any, b: Any) -> Any:
    """All inputs' products at once, and the steps in a loop that is compiled once."""

    def step(state: Any, a: Any) -> Any:
        h, cell = state
        i, f, g, o = jax.numpy.split(a + h @ U, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o) * jax.numpy.tanh(cell)
        return (h, cell), h

    start = jax.numpy.zeros((x.shape[0], U.shape[0]), x.dtype)
    return jax.lax.scan(step, (start, start), (x @ W + b).swapaxes(0, 1))[1].swapaxes(0, 1)


def gru_in_jax(jax: Any, x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
    """The same."""

    def step(h: Any, a: Any) -> Any:
        (a_r, a_z, a_n), (e_r, e_z, e_n) = jax.numpy.split(a, 3, axis=-1), jax.numpy.split(h @ U + c, 3, axis=-1)
        z = jax.nn.sigmoid(a_z + e_z)
        h = (1 - z) * jax.numpy.tanh(a_n + jax.nn.sigmoid(a_r + e_r) * e_n) + z * h
        return h, h

    start = jax.numpy.zeros((x.shape[0], U.shape[0]), x.dtype)
    return jax.lax.scan(step, start, (x @ W + b).swapaxes(0, 1))[1].swapaxes(0, 1)


LINES = {
    "lstm": Line(
        lstm,
        lambda torch: partial(lstm_in_torch, torch),
        lambda jax: partial(lstm_in_jax, jax),
        lambda rng, features: Lstm.init(rng, features, features),
        SIZES,
    ),
    "gru": Line(
        gru,
        lambda torch: partial(gru_in_torch, torch),
        lambda jax: partial(gru_in_jax, jax),
        lambda rng, features: Gru.init(rng, features, features),
        SIZES,
    ),
}
