"""Random words by counting: each is a hash of a seed and of its own index, without a state.

    h = f(f(i + a) + b)

for the word at index i, with a and b made of the seed. f multiplies twice by an odd number, and in between flips lower
bits where upper ones are set. Each step can be undone, so that no two indices give one word. On average half of all
bits change with any bit of the index (the constants are those of Wellons, Hash Prospector, 2018).

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
    """Make n random words of 32 bits, of uint32 (of int64 in torch), for a seed that may be a 0-d array of `xp`."""
    dtype = xp.int64 if xp.__name__.endswith("torch") else xp.uint32
    made = partial(xp.asarray, dtype=dtype, device=device)
    if hasattr(seed, "__index__") and not hasattr(seed, "ndim"):
        seed = made(folded(int(seed)))
    key = xp.reshape(xp.astype(seed, dtype), (1,)) & made(LOW)
    return _hashed(key, xp.arange(n, dtype=dtype, device=device), made)


def hashed_integers(seed: int, n: int) -> list[int]:
    """Make the same words as integers of Python's."""
    return [_hashed(folded(seed), place, int) for place in range(n)]


def folded(seed: int) -> int:
    """Fold a whole number of any size into 32 bits; a smaller one stays as it is."""
    key, seed = seed & LOW, seed >> 32
    while seed:
        key, seed = _scrambled((_scrambled(key, int) + (seed & LOW) + GOLDEN) & LOW, int), seed >> 32
    return key


def _hashed(key: Any, places: Any, made: Callable[[int], Any]) -> Any:
    a, b = _scrambled(key, made), _scrambled((key + made(GOLDEN)) & made(LOW), made)
    return _scrambled((_scrambled((places + a) & made(LOW), made) + b) & made(LOW), made)


def _scrambled(word: Any, made: Callable[[int], Any]) -> Any:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = word ^ (word >> made(shift))
        word = (word * made(factor)) & made(LOW)
    return word ^ (word >> made(16))
