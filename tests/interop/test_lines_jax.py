"""JAX: the lines that show a mistake in a function of JAX's run without this library, and print both numbers."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, check_layer
from chainrule.interop.jax import as_encoder, as_layer, parameters

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape)


@jax.custom_vjp  # type: ignore[untyped-decorator]  # its type is none here
def scaled(x: Any, weight: Any) -> Any:
    """A product, of whose weight the gradient is half of what it should be."""
    return x * weight


def _forward(x: Any, weight: Any) -> Any:
    return x * weight, (x, weight)


def _backward(kept: Any, dout: Any) -> Any:
    x, weight = kept
    of_weight = dout * x / 2
    return dout * weight, of_weight.reshape(-1, *weight.shape).sum(0)


scaled.defvjp(_forward, _backward)


@jax.custom_vjp  # type: ignore[untyped-decorator]  # its type is none here
def halved(x: Any) -> Any:
    """The identity, whose gradient goes through float16 where it is float32."""
    return x


def _kept(x: Any) -> Any:
    return x, ()


def _narrow(kept: Any, dout: Any) -> Any:
    return (dout.astype(jnp.float16).astype(dout.dtype) if dout.dtype == jnp.float32 else dout,)


halved.defvjp(_kept, _narrow)


def of_dictionary(params: dict[str, Any], x: Any) -> Any:
    return scaled(x, params["the weight"][0]) + params["bias"]


@jax.jit  # type: ignore[untyped-decorator]  # its type is none here
def of_record(x: Any, params: Affine) -> Any:
    return x @ params.W + scaled(params.b, 2 * params.b)


@jax.jit  # type: ignore[untyped-decorator]  # its type is none here
def by_name(*, weight: Any, rows: Any) -> Any:
    return scaled(rows, weight)


@jax.jit  # type: ignore[untyped-decorator]  # its type is none here
def of_words(words: Any, table: Any) -> Any:
    return scaled(table[words].sum(1), table[0])


DICTIONARY = {"the weight": (normal(3),), "bias": normal(3)}

# Some of the functions are compiled as a whole, so that JAX does not compile each of their operations for each shape.
CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    "an array": (as_layer(scaled), normal(3), normal(2, 3), scaled),
    "a tuple": (as_layer(scaled), (normal(3),), normal(2, 3), scaled),
    "a dictionary": (as_layer(of_dictionary, x=1), parameters(DICTIONARY), normal(2, 3), of_dictionary),
    "compiled": (as_layer(of_dictionary, x=1, jit=True), parameters(DICTIONARY), normal(2, 3), of_dictionary),
    "a record": (as_layer(of_record), Affine(normal(3, 2), normal(2)), normal(2, 3), of_record),
    "names": (as_layer(by_name, x="rows"), parameters({"weight": normal(3)}), normal(2, 3), by_name),
    "rows alone": (as_layer(jax.jit(scaled), vmap=True), normal(3), normal(2, 3), scaled),
    "an encoder": (as_encoder(of_words), normal(4, 2), np.array([[0, 1], [1, 1], [2, 3]]), of_words),
}


def run(lines: str, function: Any, capsys: pytest.CaptureFixture[str]) -> list[float]:
    wide = jax.config.jax_enable_x64
    names: dict[str, Any] = {function.__name__: function, "Affine": Affine}
    try:
        exec(lines, names)  # noqa: S102  # the lines that the report gives to paste
    finally:
        jax.config.update("jax_enable_x64", wide)
    return [float(each) for each in capsys.readouterr().out.split()]


@pytest.mark.parametrize("case", CASES)
def test_the_lines_call_the_function_with_arrays(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    layer, params, x, function = CASES[case]
    report = check_layer(layer, params, x, rng=np.random.default_rng(0), only=["structure", "derivative"])
    got, expected = run(report.example, function, capsys)
    assert abs(got - expected) > 0.01
    assert "chainrule" not in report.example
    assert "jax.vjp(" in report.example


def test_numbers_in_float32_are_shown_beside_those_in_float64(capsys: pytest.CaptureFixture[str]) -> None:
    x = normal(5, 3).astype(np.float32)
    report = check_layer(as_layer(halved), (), x, rng=np.random.default_rng(0), only=["structure", "precision"])
    got, expected = run(report.example, halved, capsys)
    assert 1e-5 < abs(got / expected - 1) < 1e-2


@jax.custom_vjp  # type: ignore[untyped-decorator]  # its type is none here
def clipped(x: Any) -> Any:
    """The identity, whose gradient has a bound, and numbers for nan."""
    return x


def _bounded(kept: Any, dout: Any) -> Any:
    return (jnp.where(jnp.isnan(dout), 1, jnp.clip(dout, -20, 20)),)


clipped.defvjp(_kept, _bounded)


OTHER_LAWS: dict[str, tuple[str, Any, Any, Any]] = {
    "a bound": ("linearity", as_layer(clipped), (), clipped),
    "nan": ("nan_shows", as_layer(clipped), (), clipped),
}


@pytest.mark.parametrize("case", OTHER_LAWS)
def test_what_no_single_number_shows_is_shown_by_calls_with_arrays(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    law, layer, params, function = OTHER_LAWS[case]
    wide = jax.config.jax_enable_x64
    report = check_layer(layer, params, normal(5, 3), rng=np.random.default_rng(0), only=["structure", law])
    assert jax.config.jax_enable_x64 == wide
    assert {verdict.law for verdict in report.failures} == {law}
    got, expected = run(report.example, function, capsys)
    assert not np.isclose(got, expected, rtol=1e-6, atol=0)
    assert "chainrule" not in report.example


@pytest.mark.parametrize(("name", "jit"), [("h", False), ("h", True), ("dout", False), ("pull", False)])
def test_a_function_may_have_a_name_that_the_lines_have_a_use_for(
    name: str, jit: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(x: Any, weight: Any) -> Any:
        return scaled(x, weight)

    function.__name__ = name
    layer = as_layer(function, jit=jit)
    report = check_layer(layer, normal(3), normal(2, 3), rng=np.random.default_rng(0), only=["structure", "derivative"])
    assert f"f = {name}  # {name} is another thing below" in report.example.splitlines()
    got, expected = run(report.example, function, capsys)
    assert abs(got - expected) > 0.01
