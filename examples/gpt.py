"""A GPT of the catalogue's layers, and how it writes.

    x = E[tokens] + P_t                             a row for what stands at a place, and one for the place
    x = x + attention(layer_norm(x))                every place looks back at those before it,
    x = x + affine(gelu(affine(layer_norm(x))))     and thinks about what it found: a block of two residuals
    logits = affine(layer_norm(x))                  for each place, what may come next

Tokens are (n, t), logits (n, t, k). The model is `gpt`, for the arrays of any library; its gradients come from
`training_step`, as those of every network here do. `generate` continues a text token by token, in NumPy.

In a forward pass all that later places need of an earlier one are its keys and values in each block, since attention is
causal. They stand in the cache that `forward` returns, so the cache of the pass over a prompt *is* the memory to write
with: `read` takes it from there, and `step` computes one more place, which asks all that are remembered.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from attrs import frozen

from chainrule import Affine, Array, Attention, Embedding, Labels, LayerNorm, Network, Positions, Unit, affine
from chainrule import attention, embedding, encoded, gelu, layer_norm, positions, prediction, repeated, residual
from chainrule import sequential, softmax

Block: TypeAlias = tuple[tuple[LayerNorm, Attention], tuple[LayerNorm, Affine, Unit, Affine]]
Params: TypeAlias = tuple[Embedding, tuple[Positions, tuple[Block, ...], LayerNorm, Affine]]

norm = layer_norm()
think = residual(sequential(norm, affine, gelu, affine))


def gpt(heads: int, blocks: int) -> Network[Params]:
    """The network."""
    look = residual(sequential(norm, attention(heads, causal=True)))
    return encoded(embedding, sequential(positions, repeated(sequential(look, think), blocks), norm, affine))


def init(rng: np.random.Generator, tokens: int, length: int, width: int, blocks: int, dtype: str = "float32") -> Params:
    """Fresh parameters; tokens and places begin with small rows, or it takes much longer to learn from them."""

    def normed() -> LayerNorm:
        return LayerNorm.init(width, dtype=dtype)

    def maps(n_in: int, n_out: int) -> Affine:
        return Affine.init(rng, n_in, n_out, dtype=dtype)

    def block() -> Block:
        looks = normed(), Attention.init(rng, width, dtype=dtype)
        return looks, (normed(), maps(width, 4 * width), (), maps(4 * width, width))

    rows = Embedding.init(rng, tokens, width, std=0.1, dtype=dtype)
    places = Positions.init(rng, length, width, std=0.1, dtype=dtype)
    return rows, (places, tuple(block() for _ in range(blocks)), normed(), maps(width, tokens))


@frozen(eq=False)
class Past:
    """The memory of one block: keys and values (n, heads, t, c) of the t places so far."""

    k: Array
    v: Array


def read(network: Network[Params], params: Params, tokens: Labels) -> tuple[Array, list[Past]]:
    """The logits (n, k) of what comes after the tokens (n, t), and what each block remembers of them."""
    logits, (_, (_, blocks, _, _)) = network.forward(params, tokens)
    return logits[:, -1], [Past(looks.k, looks.v) for ((_, looks),), _ in blocks]


def step(params: Params, pasts: list[Past], token: Labels) -> tuple[Array, list[Past]]:
    """The same after one token (n,) more."""
    rows, (places, blocks, last, head) = params
    x: Array = rows.E[token] + places.P[pasts[0].k.shape[-2]]
    longer = list[Past]()
    for ((before, looks), thoughts), past in zip(blocks, pasts, strict=True):
        found, remembered = look_back(looks, past, prediction(norm)(before, x))
        x = prediction(think)(thoughts, x + found)
        longer.append(remembered)
    return prediction(affine)(head, prediction(norm)(last, x)), longer


def look_back(params: Attention, past: Past, x: Array) -> tuple[Array, Past]:
    """Attention of one place, x (n, d), to itself and to those before it."""
    n, heads, _, c = past.k.shape
    columns = prediction(affine)(params.qkv, x)
    q, k, v = columns.reshape(n, 3, heads, 1, c).swapaxes(0, 1)
    longer = Past(np.concatenate([past.k, k], axis=-2), np.concatenate([past.v, v], axis=-2))
    weights = prediction(softmax)((), q / c**0.5 @ longer.k.mT)
    return prediction(affine)(params.out, (weights @ longer.v).reshape(n, heads * c)), longer


def generate(
    network: Network[Params], params: Params, tokens: Labels, rng: np.random.Generator, temperature: float = 0.0
) -> Iterator[Labels]:
    """Yield the token (n,) that comes next after tokens (n, t), then the one after it, and so on without an end.

    At temperature T each is drawn with the probabilities softmax(logits / T), as the largest of logits + T g with
    Gumbel's numbers g (Gumbel, 1954); at 0 the likeliest. When there is no place left, it reads the last half
    again.
    """
    length = len(params[1][0].P)
    tokens = tokens[:, -length:]
    logits, pasts = read(network, params, tokens)
    while True:
        if temperature:
            logits = logits + temperature * rng.gumbel(size=logits.shape)
        token = logits.argmax(axis=-1)
        yield token
        tokens = np.concatenate([tokens, token[:, None]], axis=1)
        if tokens.shape[1] > length:
            tokens = tokens[:, -(length // 2 + 1) :]
            logits, pasts = read(network, params, tokens)
        else:
            logits, pasts = step(params, pasts, token)


if __name__ == "__main__":
    from program import refuse

    refuse("is the model, which adder.py trains: make examples NAME=adder")
