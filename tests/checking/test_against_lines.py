"""The lines that show a mistake in a kernel without this library: they run, for few numbers, and print both results."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Report, Unit, check_against, own, tanh

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")


def printed(report: Report, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> tuple[float, float]:
    """The two numbers that the lines of a report print."""
    assert report.failures, str(report)
    assert "chainrule" not in report.example
    exec(report.example, names)  # noqa: S102  # the lines that the report gives to paste
    got, expected = (float(each) for each in capsys.readouterr().out.split())
    return got, expected


def kernel(mistake: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Any:
    """A product with a weight in torch, whose gradients go through a function of `x`, `weight` and `dout`."""
    torch: Any = import_module("torch")

    class Scaled(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any) -> Any:
            ctx.save_for_backward(x, weight)
            return x * weight

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            x, weight = ctx.saved_tensors
            return mistake(x, weight, dout)

    return Scaled


def formula(x: Any, weight: Any) -> Any:
    return x * weight


def product(x: Any, dout: Any, factor: Any) -> Any:
    return factor * x * dout


def half_as_large_again(x: Any, dout: Any, factor: Any) -> Any:
    return 1.5 * product(x, dout, factor)


def is_broadcast(dout: Any) -> bool:
    return 0 in dout.stride()


def is_fortran_ordered(dout: Any) -> bool:
    return bool(dout.stride(0) == 1 < dout.stride(1))


def is_strided(dout: Any) -> bool:
    return bool(dout.stride(-1) == 2)


def is_offset(dout: Any) -> bool:
    return bool(dout.storage_offset() == 5)


def is_padded(dout: Any) -> bool:
    return bool(dout.stride(0) == dout.shape[1] + 3)


def twice(x: Any, weight: Any, dout: Any) -> tuple[Any, Any]:
    return dout * weight, 2 * (dout * x).sum(0)


def without_rows_from_128_on(x: Any, weight: Any, dout: Any) -> tuple[Any, Any]:
    return dout * weight, (dout[:128] * x[:128]).sum(0)


def without_the_last_column(x: Any, weight: Any, dout: Any) -> tuple[Any, Any]:
    dx = dout * weight
    dx[:, 8:] = 0
    return dx, (dout * x).sum(0)


def checked(f: Any, reference: Any, *shapes: tuple[int, ...], dtype: str = "bfloat16") -> Report:
    torch: Any = import_module("torch")
    generator = torch.Generator().manual_seed(0)
    args = [torch.randn(*shape, generator=generator).to(getattr(torch, dtype)) for shape in shapes]
    return check_against(f, reference, *args, rng=np.random.default_rng(0))


@needs_torch
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    ("mistake", "arrays"),
    [
        (twice, "x = torch.tensor([[{}]], dtype=torch.{dtype})"),
        (without_rows_from_128_on, "x = torch.tensor(np.random.default_rng(0).standard_normal((129, 1)), dtype=torch."),
        (without_the_last_column, "weight = torch.tensor([{}, {}, {}, {}, {}, {}, {}, {}, {}], dtype=torch.{dtype})"),
    ],
)
def test_the_smallest_case_of_a_kernel_in_torch_is_shown(
    mistake: Any, arrays: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    f = kernel(mistake)
    report = checked(f, formula, (12, 10), (10,), dtype=dtype)
    got, expected = printed(report, {"Scaled": f, "formula": formula}, capsys)
    assert abs(got - expected) > 0.05 * abs(expected)
    assert f"print(result(Scaled.apply, torch.{dtype}), result(formula, torch.float64))" in report.example
    line = next(line for line in report.example.splitlines() if line.startswith(arrays.partition(" ")[0] + " "))
    assert line.count(",") == arrays.count(",")
    assert line.startswith(arrays.partition("{")[0])


@needs_torch
def test_lines_name_functions_that_have_no_name_and_arguments_that_are_no_arrays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch: Any = import_module("torch")
    x, weight = torch.randn(6, 4).half(), torch.randn(4).half()
    report = check_against(
        partial(half_as_large_again),
        partial(product),
        x,
        weight,
        0.25,
        rng=np.random.default_rng(0),
    )
    names = {"f": half_as_large_again, "formula": product}
    got, expected = printed(report, names, capsys)
    assert abs(got / expected - 1.5) < 0.01
    assert "p1 = torch.tensor([" in report.example


@needs_torch
@pytest.mark.parametrize(
    ("is_placed", "line"),
    [
        (is_broadcast, "dout = dout.new_ones(()).expand(dout.shape)"),
        (is_fortran_ordered, "dout = dout.T.contiguous().T"),
        (is_strided, "dout = torch.stack((dout, dout), -1)[..., 0]"),
        (is_offset, "dout = torch.cat((dout.new_zeros(5), dout.flatten()))[5:]"),
        (is_padded, "dout = torch.nn.functional.pad(dout, (0, 3))[..., :-3]"),
    ],
)
def test_lines_put_dout_where_it_shows(
    is_placed: Callable[[Any], bool], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def backward(x: Any, weight: Any, dout: Any) -> tuple[Any, Any]:
        return dout * weight, (dout * x).sum(0) * (2 if is_placed(dout) else 1)

    f = kernel(backward)
    report = checked(f, formula, (12, 10), (10,), dtype="float32")
    assert {verdict.law for verdict in report.failures} == {"layouts"}
    got, expected = printed(report, {"Scaled": f, "formula": formula}, capsys)
    assert abs(got / expected - 2) < 1e-5
    assert line in report.example


@needs_torch
def test_there_are_no_lines_where_one_call_shows_nothing() -> None:
    calls = [0]

    def backward(x: Any, weight: Any, dout: Any) -> tuple[Any, Any]:
        calls[0] += 1
        return dout * weight, (dout * x).sum(0) * (2 if calls[0] % 2 else 1)

    report = checked(kernel(backward), formula, (6, 4), (4,))
    assert report.failures
    assert report.example == ""


@needs_torch
def test_verdicts_of_a_report_keep_no_arrays() -> None:
    report = checked(kernel(twice), formula, (6, 4), (4,))
    assert {verdict.point for verdict in report.verdicts} == {None}


@needs_jax
def test_the_smallest_case_of_a_function_of_jax_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    jax: Any = import_module("jax")

    def keeping(x: Any, weight: Any) -> tuple[Any, Any]:
        return formula(x, weight), (x, weight)

    def of_kept(kept: Any, dout: Any) -> tuple[Any, Any]:
        return twice(kept[0], kept[1], dout)

    scaled = jax.custom_vjp(formula)
    scaled.defvjp(keeping, of_kept)
    x, weight = (jax.numpy.asarray(RNG.standard_normal(shape), "bfloat16") for shape in [(6, 4), (4,)])
    report = check_against(scaled, formula, x, weight, rng=np.random.default_rng(0))
    before = jax.config.jax_enable_x64
    try:
        got, expected = printed(report, {"formula": scaled, "reference": formula}, capsys)
    finally:
        jax.config.update("jax_enable_x64", before)
    assert abs(got / expected - 2) < 0.01
    assert "x = jnp.array([[" in report.example


RNG = np.random.default_rng(0)


def forward(weight: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * weight, (own(x), own(weight))


def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
    x, weight = cache
    dx, dweight = twice(x, weight, dout)
    return dx, dweight


def test_the_smallest_case_of_a_layer_beside_a_function_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    x, weight = RNG.standard_normal((6, 4), np.float32), RNG.standard_normal(4, np.float32)
    report = check_against(Layer(forward, backward), formula, x, weight, rng=np.random.default_rng(0))
    names = {"forward": forward, "backward": backward, "formula": formula}
    got, expected = printed(report, names, capsys)
    assert abs(got / expected - 2) < 1e-6
    assert "weight = np.array([" in report.example


def test_the_smallest_case_of_a_layer_beside_a_layer_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def doubled(cache: Any, dout: Array) -> tuple[Array, Unit]:
        return 2 * tanh.backward(cache, dout)[0], ()

    def tripled(params: Unit, x: Array) -> tuple[Array, Any]:
        out, cache = tanh.forward(params, x)
        return 3 * out, cache

    x = RNG.standard_normal((6, 4), np.float32)
    for layer, factor in ((Layer(tanh.forward, doubled), 2), (Layer(tripled, tanh.backward), 3)):
        report = check_against(layer, tanh, x, rng=np.random.default_rng(0))
        names = {"forward": layer.forward, "backward": layer.backward, "formula": tanh}
        got, expected = printed(report, names, capsys)
        assert abs(got / expected - factor) < 1e-5
