"""Fields that move at once show no larger error than each alone: one may be small beside the others."""

from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Report, check_layer, own

ONLY = ["other_values", "other_sizes", "any_dout"]

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def shifted(size: float, error: float = 0.0, field: int = 1) -> Layer[tuple[Array, Array], Any]:
    """`x a + size b`, of which one derivative is off by a share."""

    def forward(params: tuple[Array, Array], x: Array) -> tuple[Array, Any]:
        a, b = params
        return x * a + x.dtype.type(size) * b, (own(x), a, b)

    def backward(cache: Any, dout: Array) -> tuple[Array, tuple[Array, Array]]:
        x, a, _ = cache
        dx, da, db = dout * a, (x * dout).sum(0), dout.dtype.type(size) * dout.sum(0)
        found = [dx, da, db]
        found[field] = found[field] * dout.dtype.type(1 + error)
        return found[0], (found[1], found[2])

    return Layer(forward, backward)


def checked(layer: Layer[Any, Any], seed: int = 0) -> Report:
    rng = np.random.default_rng(seed)
    a, b, x = rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal((5, 3))
    return check_layer(layer, (a, b), x, rng=rng, only=ONLY)


def powers_of(report: Report) -> dict[str, float]:
    return {verdict.field: verdict.power for verdict in report.verdicts if verdict.law == "other_values"}


@pytest.mark.parametrize(("size", "error"), [(1.0, 1e-7), (1e-3, 1e-7), (1e-6, 1e-5)])
@pytest.mark.parametrize(("field", "name"), [(0, "dx"), (1, "grads[0]"), (2, "grads[1]")])
def test_an_error_of_one_field_is_found_however_small_the_field_is(
    size: float, error: float, field: int, name: str
) -> None:
    report = checked(shifted(size, error, field))
    assert {verdict.field for verdict in report.failures} == {name}, str(report)
    assert {verdict.law for verdict in report.failures} == {*ONLY}


def test_errors_that_cancel_where_all_move_alike_are_found() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, tuple[Array, Array]]:
        dx, (da, db) = shifted(1.0).backward(cache, dout)
        _, a, b = cache
        return dx, (da + dout.dtype.type(1e-3) / a, db - dout.dtype.type(1e-3) / b)  # <grads, params> stays

    report = checked(Layer(shifted(1.0).forward, backward))
    assert {verdict.field for verdict in report.failures} == {"grads[0]", "grads[1]"}, str(report)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_right_is_right_whatever_its_size(size: float, seed: int) -> None:
    report = checked(shifted(size), seed)
    assert report.ok, str(report)
    powers = powers_of(report)
    assert max(power for name, power in powers.items() if size or name != "grads[1]") < 1e-6


def test_of_a_field_of_zeros_no_power_is_claimed() -> None:
    powers = powers_of(checked(shifted(0.0)))
    assert np.isinf(powers["grads[1]"])
    assert np.isfinite([powers["dx"], powers["grads[0]"]]).all()
