"""The GPT of `examples/gpt.py`, with two blocks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gpt
import numpy as np

from chainrule import Labels
from speed.problem import Floats
from speed.whole import Size, Whole, Work, back_and_forth

BLOCKS, TOKENS = 2, 64

ROWS = 64
"""Rows of causal attention that go together at these lengths."""


def logits_in_torch(
    torch: Any, heads: int, x: Any, *leaves: Any, seen: int = 0, remember: Callable[[int, Any], Any] = lambda _, kv: kv
) -> Any:
    """The same network in torch, of the same parameters in the same order.

    Where tokens have been seen, one more comes: `remember` puts the keys and values of a block after theirs.
    """
    some = iter(leaves)
    functions = torch.nn.functional

    def normed(h: Any) -> Any:
        return functions.layer_norm(h, h.shape[-1:], next(some), next(some))

    def mapped(h: Any) -> Any:
        return functions.linear(h, next(some).T, next(some))

    def attended(h: Any, block: int) -> Any:
        q, *kv = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in mapped(h).chunk(3, -1))
        y = functions.scaled_dot_product_attention(q, *remember(block, kv), is_causal=not seen)
        return mapped(y.transpose(1, 2).flatten(-2))

    h = functions.embedding(x, next(some)) + next(some)[seen : seen + x.shape[-1]]
    for block in range(BLOCKS):
        h = h + attended(normed(h), block)
        h = h + mapped(functions.gelu(mapped(normed(h)), approximate="tanh"))
    return mapped(normed(h))


def logits_in_jax(jax: Any, heads: int, x: Any, *leaves: Any) -> Any:
    """The same in JAX."""
    some = iter(leaves)

    def normed(h: Any) -> Any:
        scale, bias = next(some), next(some)
        return jax.nn.standardize(h, epsilon=1e-5) * scale + bias

    def mapped(h: Any) -> Any:
        return h @ next(some) + next(some)

    def attended(h: Any) -> Any:
        n, t, _ = h.shape
        q, k, v = (each.reshape(n, t, heads, -1) for each in jax.numpy.split(mapped(h), 3, -1))
        return mapped(jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(h.shape))

    h = next(some)[x] + next(some)[: x.shape[-1]]
    for _ in range(BLOCKS):
        h = h + attended(normed(h))
        h = h + mapped(jax.nn.gelu(mapped(normed(h)), approximate=True))
    return mapped(normed(h))


def batch(rng: np.random.Generator, size: Size) -> tuple[Labels, Labels]:
    """Tokens, and those that come next."""
    tokens = rng.integers(0, TOKENS, (size[0], size[1] + 1))
    return tokens[:, :-1], tokens[:, 1:]


def maps(rng: np.random.Generator, size: Size) -> list[tuple[Floats, Floats]]:
    """The factors of the products of all affine maps in a step, forward and back."""
    n, t, d, _ = size
    shapes = [(d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)] * BLOCKS + [(d, TOKENS)]
    return [pair for shape in shapes for pair in back_and_forth(rng, n * t, *shape)]


def heads(rng: np.random.Generator, size: Size) -> list[tuple[Floats, Floats]]:
    """The factors of the products in the heads."""
    n, t, d, h = size
    pairs: list[tuple[Floats, Floats]] = []
    for start in range(0, t, ROWS):
        seen = min(start + ROWS, t)
        q, k, v = rng.standard_normal((3, n, t, h, d // h), np.float32).swapaxes(-2, -3)
        q, k, v = q[..., start:seen, :], k[..., :seen, :], v[..., :seen, :]
        p = rng.standard_normal((n, h, seen - start, seen), np.float32)
        pairs += [(q, k.mT), (p, v), (q, v.mT), (p, k), (p.mT, q), (p.mT, q)]
    return pairs * BLOCKS


def exponents(rng: np.random.Generator, size: Size) -> list[Floats]:
    """Of the softmaxes of attention, of gelu and of the loss: as many numbers as have an exponential."""
    n, t, d, h = size
    attended = sum(min(ROWS, t - start) * min(start + ROWS, t) for start in range(0, t, ROWS))
    counts = [n * h * attended, n * t * 4 * d] * BLOCKS + [n * t * TOKENS]
    return [rng.standard_normal(count, np.float32) for count in counts]


def work(rng: np.random.Generator, size: Size) -> Work:
    """The affine maps, the heads and the exponentials."""
    return Work([*maps(rng, size), *heads(rng, size)], [(np.exp, each) for each in exponents(rng, size)])


LINES = {
    "GPT": Whole(
        network=lambda size: gpt.gpt(size[3], BLOCKS),
        params=lambda rng, size: gpt.init(rng, TOKENS, size[1], size[2], BLOCKS),
        batch=batch,
        torch=lambda torch, size: partial(logits_in_torch, torch, size[3]),
        jax=lambda jax, size: partial(logits_in_jax, jax, size[3]),
        work=work,
        sizes=((64, 32, 64, 4), (16, 128, 128, 8)),
        least=lambda size: (1, 2, size[3], size[3]),
    )
}
"""At (batch, length, width, heads)."""
