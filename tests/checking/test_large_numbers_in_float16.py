"""A function that computes in float16 inside, where its numbers are few and its values stand still between them."""

from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Unit, check_layer, laws, own


def narrow(f: Any, x: Array) -> Array:
    out: Array = f(x.astype(np.float16)).astype(x.dtype)
    return out


@pytest.mark.parametrize("seed", [273, 296, 398, 1212])  # at which no noise was measured far out
def test_a_right_sine_is_not_called_wrong(seed: int) -> None:
    layer: Layer[Unit, Array] = Layer(
        lambda params, x: (narrow(np.sin, x), own(x)), lambda cache, dout: (dout * narrow(np.cos, cache), ())
    )
    x = np.random.default_rng(seed).standard_normal((5, 4))
    report = check_layer(layer, (), x, rng=np.random.default_rng(seed), only=["other_values"])
    assert not report.failures, str(report)


@pytest.mark.parametrize("seed", [273, 296, 398, 1212])
def test_a_wrong_sine_is(seed: int) -> None:
    layer: Layer[Unit, Array] = Layer(
        lambda params, x: (narrow(np.sin, x), own(x)), lambda cache, dout: (2 * dout * narrow(np.cos, cache), ())
    )
    x = np.random.default_rng(seed).standard_normal((5, 4))
    report = check_layer(layer, (), x, rng=np.random.default_rng(seed), only=["other_values"])
    assert [verdict.field for verdict in report.failures] == ["dx"]


@pytest.mark.parametrize("seed", [1, 9, 26])
def test_an_entry_that_is_0_beside_a_usual_number_has_lost_no_digits(seed: int) -> None:
    """It is off by no more than numbers that are too small for float16 may be on the way, and by all of itself."""

    def backward(y: Array, dout: Array) -> tuple[Array, Unit]:
        dx = (1 - y * y) * dout
        return dx * (abs(dx) >= 0.013) if dx.dtype == np.float16 else dx, ()

    layer: Layer[Unit, Array] = Layer(lambda params, x: (np.tanh(x), np.tanh(x)), backward)
    x = np.random.default_rng(5).standard_normal((6, 4))
    verdicts = laws.precision(layer, (), x, np.random.default_rng(seed))
    (verdict,) = (each for each in verdicts if not each.ok)
    assert (verdict.field, verdict.undecided) == ("dx", True), verdicts
    assert ", a fault if it is meant for float16: " in verdict.note
