"""Layers of transformers: embeddings, positions and attention."""

from functools import lru_cache, partial
from typing import Any

import numpy as np

from chainrule import Attention, Embedding, Positions, attention, embedding, positions, rotary
from speed.line import Line
from speed.problem import Floats

SIZES = (64, 32, 64), (16, 128, 128), (1, 1024, 256)
HEADS = 8


def attention_in_torch(
    torch: Any, x: Any, W: Any, b: Any, U: Any, u: Any, *, causal: bool = False, rotary: bool = False
) -> Any:
    """Of heads that stand side by side in the columns."""
    linear = torch.nn.functional.linear
    q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in linear(x, W.T, b).chunk(3, -1))
    if rotary:
        q, k = (rotary_in_torch(torch, each) for each in (q, k))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return linear(y.transpose(1, 2).flatten(-2), U.T, u)


def attention_in_jax(
    jax: Any, x: Any, W: Any, b: Any, U: Any, u: Any, *, causal: bool = False, rotary: bool = False
) -> Any:
    """The same."""
    n, t, _ = x.shape
    q, k, v = (each.reshape(n, t, HEADS, -1) for each in jax.numpy.split(x @ W + b, 3, -1))
    if rotary:
        q, k = (rotary_in_jax(jax, each.swapaxes(1, 2)).swapaxes(1, 2) for each in (q, k))
    return jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(n, t, -1) @ U + u


def rotary_in_torch(torch: Any, x: Any) -> Any:
    """With cosines and sines that are made once, as models have them."""
    cos, sin = map(torch.from_numpy, _turns(*x.shape[-2:]))
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotary_in_jax(jax: Any, x: Any) -> Any:
    """The same."""
    cos, sin = _turns(*x.shape[-2:])
    a, b = jax.numpy.split(x, 2, -1)
    return jax.numpy.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def taken(labels: Any, rows: Any) -> Any:
    """The row of each label."""
    return rows[labels]


def with_rows(x: Any, rows: Any) -> Any:
    """A row added at each place."""
    return x + rows[: x.shape[1]]


@lru_cache
def _turns(t: int, d: int) -> tuple[Floats, Floats]:
    angles = np.arange(t)[:, None] * 10000.0 ** (-np.arange(0, d, 2) / d)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _attention(*, causal: bool = False, rotary: bool = False) -> Line:
    options = {"causal": causal, "rotary": rotary}
    return Line(
        attention(HEADS, causal=causal, rotary=rotary),
        lambda torch: partial(attention_in_torch, torch, **options),
        lambda jax: partial(attention_in_jax, jax, **options),
        Attention.init,
        SIZES,
    )


def _embedding(tokens: int) -> Line:
    return Line(
        embedding,
        lambda torch: torch.nn.functional.embedding,
        lambda _jax: taken,
        lambda rng, _features: Embedding.init(rng, tokens, 64),
        ((256,), (4096,)),
        lambda rng, size: rng.integers(0, tokens, size),
    )


LINES = {
    "embedding of 65": _embedding(65),
    "embedding of 1000": _embedding(1_000),
    "embedding of 32000": _embedding(32_000),
    "positions": Line(
        positions,
        lambda _torch: with_rows,
        lambda _jax: with_rows,
        lambda rng, features: Positions.init(rng, 1024, features),
        SIZES,
    ),
    "rotary": Line(
        rotary(),
        lambda torch: partial(rotary_in_torch, torch),
        lambda jax: partial(rotary_in_jax, jax),
        sizes=SIZES,
    ),
    "attention": _attention(),
    "attention, causal": _attention(causal=True),
    "attention, rotary": _attention(rotary=True),
}
