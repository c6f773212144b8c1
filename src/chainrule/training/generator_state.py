"""The state of a random generator, as a value: the numbers that follow can be drawn again from it.

A `numpy.random.Generator` changes with every number that is drawn. A training run's record must not, and it goes into
files, so it holds a `GeneratorState`: a name and whole numbers, of which a generator is made when one is needed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe, generator
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Generator, is_dict, is_numpy

KINDS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
"""NumPy's bit generators; `numpy.random.default_rng` takes the first."""

WORD = 64
"""The bits of a word. A Python integer takes two, since those of PCG64 have 128 bits."""

LAST = 624
"""The length of the state of MT19937, in which the place of the next number is the word before the last."""


@frozen(eq=False)
@record
class GeneratorState:
    """The state of a `numpy.random.Generator`.

    Parameters
    ----------
    bit_generator
        The name of its bit generator, such as `"PCG64"`.
    words
        All numbers of its state, one after another, in words of 64 bits.

    Raises
    ------
    ValueError
        If NumPy has no bit generator of that name, or its states have another number of words.
    TypeError
        If the words are no array of unsigned 64-bit integers.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.training.generator_state import GeneratorState
    >>> rng = np.random.default_rng(0)
    >>> state = GeneratorState.of(rng)
    >>> state
    GeneratorState(bit_generator='PCG64', words=u64[8])
    >>> int(rng.integers(100)) == int(state.generator().integers(100)) == int(state.generator().integers(100))
    True
    """

    bit_generator: str
    words: NDArray[np.uint64]

    def __attrs_post_init__(self) -> None:
        if not is_numpy(self.words) or self.words.dtype != np.uint64:
            raise TypeError(f"GeneratorState: words must be an array of uint64, got {describe(self.words)}")
        self.generator()

    @classmethod
    def of(cls, rng: Generator) -> "GeneratorState":
        """The state of a generator, which is read and not advanced.

        A `TypeError` if it is no Generator, or its bit generator is not one of NumPy's.
        """
        kind = type(generator("GeneratorState", rng).bit_generator).__name__
        if kind not in KINDS:
            raise TypeError(f"GeneratorState: the bit generator must be one of {', '.join(KINDS)}, got {kind}")
        return _made(kind, read_only(np.array([*_words(rng.bit_generator.state)], np.uint64)))

    def generator(self) -> Generator:
        """A fresh generator in this state."""
        kind = self.bit_generator
        if kind not in KINDS:
            raise ValueError(f"GeneratorState: bit_generator must be one of {', '.join(KINDS)}, got {kind!r}")
        bits: Any = getattr(np.random, kind)(0)
        form = bits.state
        expected = sum(1 for _ in _words(form))
        if self.words.shape != (expected,):
            what = f"a state of {kind} has {expected} words"
            raise ValueError(f"GeneratorState: {what}, got shape {self.words.shape}")
        if (place := int(self.words[-2])) > LAST and kind == "MT19937":  # where it would read what is not its own
            raise ValueError(f"GeneratorState: the place of MT19937 is {place}, beyond {LAST}")
        try:
            bits.state = _filled(form, iter(self.words.tolist()))
        except OverflowError as error:
            raise ValueError(f"GeneratorState: no state of {kind} has these words: {error}") from error
        return np.random.Generator(bits)


_made = unchecked(GeneratorState)


def _words(state: Any) -> Iterator[int]:
    if is_dict(state):
        for value in state.values():
            yield from _words(value)
    elif is_numpy(state):
        yield from state.tolist()
    elif not isinstance(state, str):
        yield from (int(state) % 2**WORD, int(state) >> WORD)


def _filled(form: Any, words: Iterator[int]) -> Any:
    if is_dict(form):
        return {name: _filled(value, words) for name, value in form.items()}
    if is_numpy(form):
        return np.array([next(words) for _ in form], form.dtype)
    return form if isinstance(form, str) else next(words) + (next(words) << WORD)
