"""Other whole numbers for an encoder: all that its tables have, equal ones, more of them, and other dtypes."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._elsewhere import Elsewhere, Unfit, judged_at, takes
from chainrule.laws.of_layers._other_numbers import other_parameters
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.trial import Trial, draw, measured

POSITIONS = (1, 2, 17, 64, 257)
"""Numbers of positions: the edges of blocks, and one more than a byte counts."""

ROWS = 2
"""The most rows of tokens with another number of positions."""

DTYPES = ("int8", "uint8", "int16", "int32", "int64")
"""Dtypes that tokens may have."""

EQUAL = 1e-6
"""The share of the largest entry up to which gradients are equal: of the same numbers they are computed alike."""


def is_tokens(x: Any) -> bool:
    return is_numpy(x) and x.dtype.kind in "iu" and x.ndim > 0 and x.size > 0


def _other_tokens(x: NDArray[Any], rng: np.random.Generator) -> Iterator[tuple[str, NDArray[Any]]]:
    """Equal tokens, and other numbers of positions, in words and as arrays."""
    yield "for equal tokens", np.full_like(x, x.flat[-1])
    if x.ndim > 1 and len(x) > 1:
        yield "for a row of equal tokens", np.concatenate([np.full_like(x[:1], x.flat[-1]), x[1:]])
    for count in POSITIONS:
        if x.ndim > 1 and count != x.shape[-1]:
            made = rng.choice(x.reshape(-1), (*x[:ROWS].shape[:-1], count))
            yield f"for x {describe(made)}", made


def _of_whole_tables(params: Any, x: NDArray[Any], rng: np.random.Generator) -> Iterator[tuple[str, NDArray[Any]]]:
    """Tokens from 0 to the last of a parameter, that of the longest first: all of them, or as many as x has.

    They are in a random order, the first and the last among them.
    """
    lengths = {len(leaf) for leaf in tree.leaves(params) if leaf.ndim}
    for k in sorted(lengths, reverse=True):
        if x.max() < k <= np.iinfo(x.dtype).max + 1:
            made = (
                np.arange(x.size) % k
                if x.size >= k
                else np.rint(np.linspace(0, k - 1, x.size))
                if x.size > 1
                else k - 1
            )
            yield f"for tokens from 0 to {k - 1}", rng.permuted(np.full(x.size, made).astype(x.dtype)).reshape(x.shape)


def at_other_tokens(base: Trial, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts of an encoder for other whole numbers: it has no derivative by them, but one by the parameters."""
    verdicts: list[Verdict] = []
    tokens = base.x
    for case, other in _of_whole_tables(base.params, base.x, rng):
        if takes(base.layer, base.params, other):
            verdicts += _at_tokens(base, other, rng, case)
            tokens = other
            break
    for case, other in _other_tokens(base.x, rng):
        verdicts += _at_tokens(base, other, rng, case)
    if not any(found.wrong for found in verdicts):
        for each in other_parameters(base.params, rng):
            verdicts += judged_at("other_values", base, Elsewhere(each.words, base.x, each.value), rng)
    return verdicts + _in_other_dtypes("other_values", base, tokens, rng)


def _at_tokens(base: Trial, tokens: NDArray[Any], rng: np.random.Generator, case: str) -> list[Verdict]:
    """The derivative at other tokens; the noise of the encoder, which takes longer, is measured if one is wrong."""
    given = tokens.copy()
    with suppress(Exception), np.errstate(all="ignore"):  # it refuses these tokens, which is an answer
        base.layer.forward(writable(base.params), given)
    if not np.array_equal(given, tokens):
        return [Verdict("other_values", "x", ok=False, note=f"{case}: forward wrote to x")]
    at = partial(judged_at, "other_values", other=Elsewhere(case, tokens), rng=rng, counts=Unfit.is_meant)
    verdicts = at(base)
    return at(measured(base, rng)) if any(each.wrong for each in verdicts) else verdicts


def _in_other_dtypes(law: str, base: Trial, x: NDArray[Any], rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for the same tokens in other dtypes, which have the same gradient if the output is the same."""
    for name in DTYPES:
        dtype = np.dtype(name)
        limits = np.iinfo(dtype)
        if dtype == x.dtype or x.min() < limits.min:
            continue
        held = np.minimum(x, min(limits.max, int(x.max())))
        try:
            usual, other = (Trial.of(base.layer, base.params, each) for each in (held, held.astype(dtype)))
            if not np.array_equal(usual.out, other.out):
                continue
            dout = draw(usual.out, rng)
            right, results = usual.back(dout), other.back(dout)
        except Exception:
            continue
        for field, leaf in results.items():
            most = EQUAL * float(np.abs(right[field]).max(initial=0.0))
            if leaf.shape != right[field].shape or not np.abs(leaf - right[field]).max(initial=0.0) <= most:
                note = f"for tokens in {name} it is another than in {x.dtype.name}, though out is the same"
                return [Verdict(law, field, ok=False, note=note)]
    return []
