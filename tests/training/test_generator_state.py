"""The state of a random generator as a value."""

import pickle
import re
from typing import Any

import numpy as np
import pytest

from chainrule import tree
from chainrule.training.generator_state import KINDS, GeneratorState
from untyped import untyped


def generator(kind: str) -> np.random.Generator:
    """A generator from which some numbers of 32 and of 64 bits were drawn."""
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.integers(10, size=3, dtype=np.uint32)
    rng.random(7)
    return rng


def drawn(rng: np.random.Generator) -> Any:
    """Numbers of all sizes."""
    words, integers = rng.integers(2**31, size=1001, dtype=np.uint32), rng.integers(2**31, size=10)
    return np.concatenate([words, integers, rng.standard_normal(10), rng.permutation(100)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_numbers_follow_again_and_the_generator_is_not_advanced(kind: str) -> None:
    rng, untouched = generator(kind), generator(kind)
    state = pickle.loads(pickle.dumps(GeneratorState.of(rng)))
    assert tree.equal(state, GeneratorState.of(untouched))
    for again in (state.generator(), state.generator(), rng):
        untouched = generator(kind)
        np.testing.assert_array_equal(drawn(again), drawn(untouched))


def test_it_is_a_tree_of_one_array_that_nobody_can_change() -> None:
    state = GeneratorState.of(np.random.default_rng(0))
    assert repr(state) == "GeneratorState(bit_generator='PCG64', words=u64[8])"
    assert [path for path, _ in tree.named_leaves(state)] == [".words"]
    assert not state.words.flags.writeable


def test_the_words_hold_every_bit_of_the_largest_states() -> None:
    bits = np.random.PCG64(0)
    bits.state = untyped(bits.state | {"state": {"state": 2**128 - 1, "inc": 2**128 - 3}})
    again: Any = GeneratorState.of(np.random.Generator(bits)).generator().bit_generator
    assert again.state == bits.state


def words(kind: str, last: int) -> Any:
    """The words of a state with another one before the last."""
    changed = GeneratorState.of(generator(kind)).words.copy()
    changed[-2] = last
    return changed


@pytest.mark.parametrize(
    ("kind", "words", "error", "message"),
    [
        ("PCG65", np.zeros(8, np.uint64), ValueError, "bit_generator must be one of PCG64, PCG64DXSM, MT19937, "),
        ("PCG64", np.zeros(7, np.uint64), ValueError, "a state of PCG64 has 8 words, got shape (7,)"),
        ("PCG64", np.zeros(8), TypeError, "words must be an array of uint64, got f64[8]"),
        ("PCG64", [0] * 8, TypeError, "words must be an array of uint64, got list"),
        ("PCG64", words("PCG64", 2**40), ValueError, "no state of PCG64 has these words: value too large"),
        ("MT19937", words("MT19937", 625), ValueError, "the place of MT19937 is 625, beyond 624"),
    ],
)
def test_bad_input(kind: str, words: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(f"GeneratorState: {message}")):
        GeneratorState(kind, words)


def test_other_generators_are_refused() -> None:
    with pytest.raises(TypeError, match=re.escape("rng must be a numpy.random.Generator, got int")):
        GeneratorState.of(untyped(0))

    class Mine(np.random.PCG64):
        pass

    with pytest.raises(TypeError, match=r"the bit generator must be one of .*, got Mine"):
        GeneratorState.of(np.random.Generator(Mine(0)))
