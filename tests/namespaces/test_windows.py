"""Windows over positions: NumPy's forms are those of the textbook, and these are what a loop over windows gives."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import Array
from chainrule.arrays import tuned_windows, windows
from chainrule.arrays.windows import Windows
from strategies import generators, normal

numpy: Any = np


def drawn(rng: np.random.Generator) -> tuple[Windows, Array, Array, Array]:
    """Some windows, with x, W and y for them: 0 to 3 images, some positions unseen, and windows beyond the ends."""
    axes, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    outer, inner, size, stride, dilation = (
        tuple(int(side) for side in rng.integers(1, most, axes)) for most in (6, 5, 4, 4, 3)
    )
    before = tuple(int(side) for side in rng.integers(-2, 4, axes))
    at = Windows(outer, inner, size, stride, dilation, before, groups)
    n, c, m = int(rng.integers(0, 4)), *(groups * int(width) for width in rng.integers(1, 4, 2))
    return at, normal(rng, n, *outer, c), normal(rng, *size, c // groups, m), normal(rng, n, *inner, m)


def windows_by_hand(x: Array, at: Windows) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each window's index, with its numbers (n, *size, c), by the definition."""
    for window in np.ndindex(*at.inner):
        seen = np.zeros((x.shape[0], *at.size, x.shape[-1]))
        for place in np.ndindex(*at.size):
            axes = zip(window, place, at.stride, at.dilation, at.before, strict=True)
            q = tuple(p * s - b + k * d for p, k, s, d, b in axes)
            if all(0 <= each < length for each, length in zip(q, at.outer, strict=True)):
                seen[(slice(None), *place)] = x[(slice(None), *q)]
        yield window, seen


@given(rng=generators)
def test_the_textbooks_windows_are_those_of_the_definition(rng: np.random.Generator) -> None:
    at, x, W, _ = drawn(rng)
    out = windows.windowed(numpy, x, W, at)
    c, m = W.shape[-2:]
    for window, seen in windows_by_hand(x, at):
        for group in range(at.groups):
            ins, outs = slice(group * c, (group + 1) * c), slice(group * m // at.groups, (group + 1) * m // at.groups)
            expected: Array = np.tensordot(seen[..., ins], W[..., outs], len(at.size) + 1)
            at_window: Any = (slice(None), *window, outs)
            close(out[at_window], expected)


@given(rng=generators)
def test_folding_is_the_transpose(rng: np.random.Generator) -> None:
    at, x, W, y = drawn(rng)
    one = np.vdot(windows.windowed(numpy, x, W, at), y)
    for other in (np.vdot(x, windows.folded(numpy, y, W, at)), np.vdot(W, windows.met(numpy, x, y, at))):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("some", [tuned_windows.BYTES, 1, 2000])
def test_numpys_forms_are_the_textbooks(some: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned_windows, "BYTES", some)  # of so many bytes are the windows of some images

    @given(rng=generators)
    def test(rng: np.random.Generator) -> None:
        at, x, W, y = drawn(rng)
        for laid in (np.ascontiguousarray, np.asfortranarray):
            like: Callable[[Any], Any] = laid
            close(tuned_windows.windowed(like(x), like(W), at), windows.windowed(numpy, x, W, at))
            close(tuned_windows.folded(like(y), like(W), at), windows.folded(numpy, y, W, at))
            for wants in (True, False):
                both(tuned_windows.of_windowed, windows.of_windowed, like, (x, W, y, at, wants))
                both(tuned_windows.of_folded, windows.of_folded, like, (y, W, x, at, wants))

    test()


def both(fast: Any, textbook: Any, like: Any, arguments: tuple[Any, ...]) -> None:
    """Two derivatives, of which the first may be left out."""
    x, W, dout, at, wants = arguments
    ours, expected = fast(like(x), like(W), like(dout), at, wants), textbook(np, *arguments)
    assert (ours[0] is None) == (expected[0] is None) == (not wants)
    if wants:
        close(ours[0], expected[0])
    close(ours[1], expected[1])


def close(ours: Array, expected: Array) -> None:
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-11)  # sums of up to 3000 products


@given(rng=generators)
def test_the_derivatives_in_the_weights_do_not_depend_on_what_else_is_wanted(rng: np.random.Generator) -> None:
    at, x, W, y = drawn(rng)
    for words in (tuned_windows.of_windowed, tuned_windows.of_folded):
        one, other = ((x, W, y), (y, W, x))[words is tuned_windows.of_folded], at
        np.testing.assert_array_equal(words(*one, other, True)[1], words(*one, other, False)[1])


def test_windows_reach_from_the_first_ones_first_position_to_the_last_ones_last() -> None:
    at = Windows((5, 9), (3, 2), (3, 2), (1, 4), (1, 2), (0, 1))
    assert at.lengths == (5, 7)
    assert at.seen == (slice(None), slice(0, 5), slice(0, 6), ...)
    assert at.lands == (slice(None), slice(0, 5), slice(1, 7), ...)
    assert at.taps[:2] == [
        (slice(None), slice(0, 3, 1), slice(0, 5, 4), ...),
        (slice(None), slice(0, 3, 1), slice(2, 7, 4), ...),
    ]


def test_weights_turned_twice_are_themselves() -> None:
    W = normal(np.random.default_rng(0), 3, 2, 4, 6)
    for groups in (1, 2, 3):
        turned = windows.turned(numpy, W, groups)
        assert turned.shape == (3, 2, 6 // groups, 4 * groups)
        np.testing.assert_array_equal(windows.turned(numpy, turned, groups), W)
    np.testing.assert_array_equal(windows.turned(numpy, W, 1)[0, 0], W[2, 1].T)
