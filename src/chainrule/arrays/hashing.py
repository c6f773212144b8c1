"""Random words by counting: a hash of a seed and of the place of a word, and nothing that is carried along.

    h = f(f(i + a) + b)

for the word at place i, with a and b made of the seed. f multiplies twice by an odd number, and in between flips lower
bits where upper ones are set. Each step can be undone, so that no two places give one word; on average half of all bits
change with any bit of the place (the constants are those of Wellons, Hash Prospector, 2018).

A word is computed alone: on any device, in a compiled program, and of a seed that a compiler traces. Arithmetic is that
of unsigned integers of 32 bits. torch has hardly any on them: there it is done in 64 bits, of which 32 are kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

LOW = 0xFFFFFFFF
"""All of 32 bits."""

GOLDEN = 0x9E3779B9
"""2^32 divided by the golden ratio."""


def hashed(xp: Any, seed: Any, n: int, device: object = None) -> Any:
    """Random words of 32 bits.

    Parameters
    ----------
    xp
        A namespace of the Array API standard, for arrays.
    seed
        A whole number, or a 0-d array of one that belongs to `xp`.
    n
        How many.
    device
        Where to make them.

    Returns
    -------
    array
        (n,): of uint32; of int64 in torch.
    """
    dtype = xp.int64 if xp.__name__.endswith("torch") else xp.uint32
    made = partial(xp.asarray, dtype=dtype, device=device)
    if hasattr(seed, "__index__") and not hasattr(seed, "ndim"):
        seed = made(folded(int(seed)))
    key = xp.reshape(xp.astype(seed, dtype), (1,)) & made(LOW)
    return _hashed(key, xp.arange(n, dtype=dtype, device=device), made)


def hashed_integers(seed: int, n: int) -> list[int]:
    """The same of Python's integers."""
    return [_hashed(folded(seed), place, int) for place in range(n)]


def folded(seed: int) -> int:
    """A whole number of any size in 32 bits; one that has no more as it is."""
    key, seed = seed & LOW, seed >> 32
    while seed:
        key, seed = _scrambled((_scrambled(key, int) + (seed & LOW) + GOLDEN) & LOW, int), seed >> 32
    return key


def _hashed(key: Any, places: Any, made: Callable[[int], Any]) -> Any:
    a, b = _scrambled(key, made), _scrambled((key + made(GOLDEN)) & made(LOW), made)
    return _scrambled((_scrambled((places + a) & made(LOW), made) + b) & made(LOW), made)


def _scrambled(word: Any, made: Callable[[int], Any]) -> Any:
    """A word, every bit of which depends on every bit."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = word ^ (word >> made(shift))
        word = (word * made(factor)) & made(LOW)
    return word ^ (word >> made(16))
