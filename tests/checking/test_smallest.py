"""The lines that show a mistake without this library: they run, for few and simple numbers, and print both of them."""

from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Layer, Unit, check_layer, own


def forward_of_tanh(params: Unit, x: Array) -> tuple[Array, Array]:
    out = np.tanh(x)
    return out, out.copy()


def last_row_twice(out: Array, dout: Array) -> tuple[Array, Unit]:
    dx = dout * (1 - out * out)
    dx[-1] *= 2
    return dx, ()


def forward_of_affine(params: Affine, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ params.W + params.b, (own(x), params.W)


def bias_halved(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Affine]:
    x, W = cache
    return dout @ W.T, Affine(x.T @ dout, dout.sum(axis=0) / 2)


def forward_in_dictionary(params: dict[str, Array], x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * params["a scale"], (own(x), own(params["a scale"]))


def scale_twice(cache: tuple[Array, Array], dout: Array) -> tuple[Array, dict[str, Array]]:
    x, scale = cache
    return dout * scale, {"a scale": 2 * (x * dout).sum(axis=0)}


RNG = np.random.default_rng(0)

CASES: dict[str, tuple[Any, Any, Any, tuple[int, ...], float]] = {
    "a row": (forward_of_tanh, last_row_twice, (), (1, 1), 2.0),
    "a bias": (forward_of_affine, bias_halved, Affine(np.ones((3, 2)), np.ones(2)), (1, 3), 0.5),
    "a dictionary": (forward_in_dictionary, scale_twice, {"a scale": RNG.standard_normal(3)}, (1, 3), 2.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lines_run_and_print_the_number_and_what_it_should_be(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    forward, backward, params, shape, factor = CASES[case]
    rng = np.random.default_rng(1)
    report = check_layer(Layer(forward, backward), params, rng.standard_normal((6, 3)), rng=rng)
    names: dict[str, Any] = {"forward": forward, "backward": backward, "Affine": Affine}
    exec(report.example, names)  # noqa: S102  # the lines that the report gives to paste
    got, expected = map(float, capsys.readouterr().out.split())
    assert got / expected == pytest.approx(factor, rel=1e-6)
    assert names["x"].shape == shape
    digits = [f"{abs(number):e}".split("e")[0].rstrip("0") for number in names["x"].ravel().tolist()]
    assert {len(each) for each in digits} == {2}  # such as "7.": one digit
