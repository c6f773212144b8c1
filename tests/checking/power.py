"""Ten layers in torch and JAX at once, and the same with an error planted in one gradient."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import Array


@frozen
class Named:
    """A layer.

    Parameters
    ----------
    name
        Its name.
    f
        `(m, x, *params) -> out`, where m is torch or jax.numpy.
    params
        The shapes of its parameters, from the number of columns of x.
    """

    name: str
    f: Callable[..., Any]
    params: Callable[[int], tuple[tuple[int, ...], ...]]

    def drawn(
        self, shape: tuple[int, int], rng: np.random.Generator, dtype: Any, before: tuple[int, ...] = ()
    ) -> list[Array]:
        """Normal arguments, with more axes before those of x."""
        x = rng.standard_normal((*before, *shape))
        return [each.astype(dtype) for each in (x, *(rng.standard_normal(some) for some in self.params(shape[1])))]


def in_torch() -> Any:
    """torch, as a namespace."""
    return import_module("torch")


def in_jax() -> Any:
    """JAX, as a namespace."""
    return import_module("jax.numpy")


def _softmax(m: Any, x: Any) -> Any:
    weights = m.exp(x)
    return weights / weights.sum(-1, keepdims=True)


def _layer_norm(m: Any, x: Any, weight: Any, bias: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / m.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * weight + bias


def _attention(m: Any, x: Any, Q: Any, K: Any, V: Any) -> Any:
    scores = (x @ Q) @ m.swapaxes(x @ K, -1, -2) / x.shape[-1]
    return _softmax(m, m.tanh(scores)) @ (x @ V)


def _affine(m: Any, x: Any, W: Any, b: Any) -> Any:
    return x @ W + b


def _tanh(m: Any, x: Any) -> Any:
    return m.tanh(x)


def _sigmoid(m: Any, x: Any) -> Any:
    return 1 / (1 + m.exp(-x))


def _gelu(m: Any, x: Any) -> Any:
    return 0.5 * x * (1 + m.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def _log_softmax(m: Any, x: Any) -> Any:
    return x - m.log(m.exp(x).sum(-1, keepdims=True))


def _rms_norm(m: Any, x: Any, g: Any) -> Any:
    return x / m.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g


def _swiglu(m: Any, x: Any, W: Any, V: Any) -> Any:
    return (x @ W) * _sigmoid(m, x @ W) * (x @ V)


def _none(n: int) -> tuple[tuple[int, ...], ...]:
    return ()


LAYERS = (
    Named("affine", _affine, lambda n: ((n, 5), (5,))),
    Named("tanh", _tanh, _none),
    Named("sigmoid", _sigmoid, _none),
    Named("gelu", _gelu, _none),
    Named("softmax", _softmax, _none),
    Named("log_softmax", _log_softmax, _none),
    Named("layer_norm", _layer_norm, lambda n: ((n,), (n,))),
    Named("rms_norm", _rms_norm, lambda n: ((n,),)),
    Named("swiglu", _swiglu, lambda n: ((n, 5), (n, 5))),
    Named("attention", _attention, lambda n: ((n, n), (n, n), (n, n))),
)
"""The layers."""


def off_in_torch(f: Callable[..., Any], error: float, *, every: bool) -> Callable[..., Any]:
    """The function, with an error in the gradient of its last argument."""
    torch: Any = import_module("torch")

    class Off(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            wrong = gradient.clone(memory_format=torch.contiguous_format)
            if every:
                return wrong * (1 + error)
            wrong.view(-1)[wrong.numel() // 2] *= 1 + error
            return wrong

    def off(*args: Any) -> Any:
        return f(*args[:-1], Off.apply(args[-1]))

    return off


def off_in_jax(f: Callable[..., Any], error: float, *, every: bool) -> Callable[..., Any]:
    """The same in JAX."""
    jax: Any = import_module("jax")

    def same(a: Any) -> Any:
        return a

    def keep(a: Any) -> Any:
        return a, None

    def wrong(kept: None, gradient: Any) -> Any:
        if every:
            return (gradient * (1 + error),)
        flat = gradient.reshape(-1)
        return (flat.at[flat.size // 2].multiply(1 + error).reshape(gradient.shape),)

    slip: Any = jax.custom_vjp(same)
    slip.defvjp(keep, wrong)

    def off(*args: Any) -> Any:
        return f(*args[:-1], slip(args[-1]))

    return off
