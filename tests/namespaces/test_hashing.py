"""Words by counting: known ones, and the same in every library, so that masks of today are those of tomorrow."""

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chainrule.arrays.hashing import folded, hashed, hashed_integers

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy

WORDS = {
    0: [0xAE6F80F1, 0xB8B715EA, 0xD8392581],
    1: [0xB1A90007, 0x5F6B6BDB, 0xFC42471E],
    5: [0x44C01FCB, 0x7B5D6B53, 0x25887AA5],
    2**31: [0x73AA1B97, 0x485E2345, 0xD508A321],
    2**32 - 1: [0x4E4A4A70, 0x695BE058, 0xACA958FF],
    2**32: [0x49BCBF03, 0x16AC65A1, 0xE8761D2E],
    2**32 + 1: [0x474D6A9D, 0xF800BBC4, 0x24B8B781],
    2**33 + 1: [0xEEE48A03, 0xCF272C2A, 0xB20E7CB9],
    3**50: [0x090E7C85, 0x729EBF7F, 0xEB23A54D],
    10**40: [0x954A830F, 0x389B1AE3, 0x0F84D882],
}
"""The first words of some seeds, by another program of the formula."""


class Library(ModuleType):
    """array_api_strict under another name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(strict, name)


@pytest.mark.parametrize(("seed", "words"), WORDS.items())
def test_words_are_the_known_ones(seed: int, words: list[int]) -> None:
    assert hashed_integers(seed, 3) == words


@pytest.mark.parametrize("name", ["array_api_strict", "torch", "array_api_compat.torch"])
@pytest.mark.parametrize(("seed", "words"), WORDS.items())
def test_words_of_a_library_are_those_of_python(name: str, seed: int, words: list[int]) -> None:
    found = hashed(Library(name), seed, 3)
    assert found.dtype == (strict.int64 if name.endswith("torch") else strict.uint32)
    assert np.asarray(found).tolist() == words


@pytest.mark.parametrize("device", [None, strict.Device("device1")])
def test_words_are_made_on_the_device_that_is_asked_for(device: Any) -> None:
    found = hashed(strict, 5, 3, device)
    assert found.device == (device or strict.Device("CPU_DEVICE"))
    assert np.asarray(found.to_device(strict.Device("CPU_DEVICE"))).tolist() == WORDS[5]


def test_the_seed_may_be_an_array_of_which_32_bits_count() -> None:
    for seed in (5, 2**32 + 5):
        words = hashed(strict, strict.asarray(seed), 3)
        assert np.asarray(words).tolist() == WORDS[5]
        assert words.dtype == strict.uint32


def test_a_seed_of_32_bits_stays_as_it_is_and_a_longer_one_is_folded() -> None:
    assert [folded(seed) for seed in (0, 7, 2**32 - 1)] == [0, 7, 2**32 - 1]
    assert len({folded(seed << shift) for seed in (1, 2, 3) for shift in (32, 33, 64, 65)}) == 10  # 2 << 32 is 1 << 33
