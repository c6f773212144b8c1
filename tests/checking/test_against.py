"""Kernels in low precision against a plain formula: planted mistakes are found, right kernels are accepted."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Layer, Report, affine, check_against, own, tanh
from checking.kernels import (
    IN_JAX,
    LOW_PRECISION,
    NAMES,
    WHERE,
    exact,
    formula,
    jax_kernel,
    numpy_kernel,
    torch_formula,
    torch_function,
    torch_kernel,
)

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Report, affine, check_against

def formula(x: Array, params: Affine) -> Array:
    return x @ params.W + params.b

def accepted(x: Array, params: Affine, rng: np.random.Generator) -> None:
    report = check_against(affine, formula, x, params, rng=rng, frozen=["params"], deterministic=False)
    assert_type(report, Report)
    assert_type(check_against(affine, affine, x, params, rng=rng).ok, bool)

def mistakes(x: Array, params: Affine, rng: np.random.Generator) -> None:
    check_against(affine, formula, x, params)  # rejected: rng is missing
    check_against(affine, 3, x, params, rng=rng)  # rejected: it is no function
    check_against(affine, formula, x, params, rng=0)  # rejected: a seed is no generator
    check_against(affine, formula, x, params, rng=rng, frozen=1)  # rejected: it is no list
"""

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
DTYPES = ("float32", "float16", "bfloat16")
LOW = ("float16", "bfloat16")


def tensors(dtype: str, *shapes: tuple[int, ...], seed: int = 0) -> list[Any]:
    torch: Any = import_module("torch")
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator).to(getattr(torch, dtype)) for shape in shapes]


def arrays(dtype: Any, *shapes: tuple[int, ...], seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def checked(f: Any, reference: Any, *args: Any, **options: Any) -> Report:
    return check_against(f, reference, *args, rng=np.random.default_rng(0), **options)


def linear(x: Any, W: Any, b: Any) -> Any:
    return x @ W + b


def of_torch(x: Any, W: Any, b: Any) -> Any:
    return x @ W.T + b


def of_record(x: Any, params: Any) -> Any:
    return x @ params.W + params.b


def scaled(x: Any, weight: Any) -> Any:
    return x * weight


def laws_of(report: Report) -> set[str]:
    return {verdict.law for verdict in report.failures}


@needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fault", NAMES)
def test_a_mistake_in_a_torch_kernel_is_found(fault: str, dtype: str) -> None:
    report = checked(torch_kernel(fault), torch_formula, *tensors(dtype, (8, 10), (10,), (10,)))
    if fault in LOW_PRECISION and dtype == "float32":
        assert report.ok  # it is a sum in float32
        return
    assert laws_of(report) & WHERE[fault], str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("fault", [fault for fault in NAMES if fault not in LOW_PRECISION])
def test_a_mistake_in_a_numpy_kernel_is_found(fault: str, dtype: Any) -> None:
    report = checked(numpy_kernel(fault), formula, *arrays(dtype, (6, 4), (4,), (4,)))
    assert laws_of(report) & WHERE[fault], str(report)


@pytest.mark.parametrize("fault", LOW_PRECISION)
def test_a_layer_as_the_reference_takes_hundreds_of_rows(fault: str) -> None:
    args = arrays(np.float16, (6, 4), (4,), (4,))
    report = checked(numpy_kernel(fault), exact(), *args)
    assert "rows" in laws_of(report), str(report)
    assert checked(numpy_kernel(), exact(), *args).ok


@needs_jax
@pytest.mark.parametrize(
    ("fault", "dtype"), [*((fault, "bfloat16") for fault in ("", *IN_JAX)), ("low-precision accumulation", "float16")]
)
def test_a_mistake_in_a_jax_kernel_is_found(fault: str, dtype: str) -> None:
    jnp: Any = import_module("jax.numpy")
    args = [jnp.asarray(each, dtype) for each in arrays(np.float32, (8, 6), (6,), (6,))]
    report = checked(jax_kernel(fault), formula, *args)
    assert (laws_of(report) & WHERE[fault]) if fault else report.ok, str(report)


@needs_torch
@pytest.mark.parametrize(("seed", "dtype"), [*enumerate(DTYPES)])
def test_right_kernels_of_torch_are_accepted(seed: int, dtype: str) -> None:
    torch: Any = import_module("torch")
    x, weight, bias, matrix = tensors(dtype, (6, 10), (10,), (10,), (10, 7), seed=seed)

    def softmax(x: Any) -> Any:
        return torch.exp(x - x.amax(-1, keepdim=True)) / torch.exp(x - x.amax(-1, keepdim=True)).sum(-1, keepdim=True)

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + torch.erf(x * 0.5**0.5))

    def added(x: Any, W: Any, b: Any) -> Any:
        return torch.addmm(b, x, W)

    cases: list[tuple[Any, Any, tuple[Any, ...]]] = [
        (torch_kernel(), torch_formula, (x, weight, bias)),
        (torch.nn.Softmax(-1), softmax, (x,)),
        (added, linear, (x, matrix, bias[:7])),
        (torch.nn.functional.gelu, gelu, (x,)),
        (torch.nn.Linear(10, 7).to(x.dtype), of_torch, (x,)),
    ]
    for f, reference, args in cases:
        report = checked(f, reference, *args)
        assert report.ok, str(report)


@needs_torch
@pytest.mark.parametrize("dtype", LOW)
def test_a_layer_norm_that_adds_up_in_low_precision_is_found_in_torch_itself(dtype: str) -> None:
    torch: Any = import_module("torch")

    def norm(x: Any, weight: Any, bias: Any) -> Any:
        return torch.nn.functional.layer_norm(x, (10,), weight, bias)

    report = checked(norm, torch_formula, *tensors(dtype, (8, 10), (10,), (10,)))
    assert laws_of(report) == {"rows"}
    assert {verdict.field for verdict in report.failures} <= {"dweight", "dbias"}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_right_layers_are_accepted(dtype: Any) -> None:
    x, W, b = arrays(dtype, (6, 5), (5, 3), (3,))
    of_affine = checked(affine, of_record, x, Affine(W, b))
    assert of_affine.ok, str(of_affine)
    assert {verdict.field for verdict in of_affine.verdicts} >= {"out", "dx", "dparams.W", "dparams.b"}
    assert checked(tanh, np.tanh, x).ok
    assert checked(affine, affine, x, Affine(W, b)).ok


def test_the_rule_and_both_figures_are_in_the_verdict() -> None:
    (values,) = [v for v in checked(tanh, np.tanh, *arrays(np.float32, (4, 3))).verdicts if v.law == "values"]
    assert "of the formula + " in values.note
    assert "rms error" in values.note
    assert "largest error" in values.note
    assert 1e-8 < values.power < 1e-5


@needs_torch
def test_nothing_is_written_to_the_arguments() -> None:
    torch: Any = import_module("torch")
    args = tensors("float16", (8, 10), (10,), (10,))
    before = [each.clone() for each in args]
    checked(torch_kernel("in-place x"), torch_formula, *args)
    assert all(torch.equal(a, b) for a, b in zip(args, before, strict=True))
    assert not torch.are_deterministic_algorithms_enabled()


@needs_torch
def test_frozen_arguments_need_no_gradient() -> None:
    report = checked(torch_kernel("None"), torch_formula, *tensors("float32", (8, 10), (10,), (10,)), frozen=["bias"])
    assert report.ok, str(report)
    assert "dbias" not in {verdict.field for verdict in report.verdicts}


def test_another_shape_and_another_dtype_are_found() -> None:
    (x,) = arrays(np.float32, (4, 3))
    wide = Layer(widened, lambda cache, dout: (dout * (1 - np.tanh(cache.astype(np.float64)) ** 2), ()))
    assert {(v.law, v.field) for v in checked(wide, np.tanh, x).failures} == {("dtypes", "out"), ("dtypes", "dx")}
    flat = Layer(summed, lambda cache, dout: (0 * cache, ()))
    assert not checked(flat, np.tanh, x).ok


def product(x: Any) -> Any:
    return x @ x


def widened(params: Any, x: Array) -> tuple[Array, Array]:
    return np.tanh(x.astype(np.float64)), x.copy()


def summed(params: Any, x: Array) -> tuple[Array, Array]:
    return np.tanh(x).sum(1), x.copy()


def test_bad_input_is_named() -> None:
    (x,) = arrays(np.float32, (4, 3))
    rng = np.random.default_rng(0)
    check: Any = check_against
    cases: list[tuple[Any, str, Callable[[], object]]] = [
        (TypeError, "rng must be", lambda: check(tanh, np.tanh, x, rng=0)),
        (TypeError, "there is no x", lambda: check(tanh, np.tanh, rng=rng)),
        (TypeError, "f is tanh, a function of NumPy arrays", lambda: check(np.tanh, np.tanh, x, rng=rng)),
        (TypeError, "reference must be a Layer or a function", lambda: check(tanh, 3, x, rng=rng)),
        (TypeError, "x must be an array", lambda: check(tanh, np.tanh, 3.0, rng=rng)),
        (TypeError, "x must be of floats", lambda: check(tanh, np.tanh, np.arange(3), rng=rng)),
        (ValueError, "x is float64", lambda: check(tanh, np.tanh, np.ones(3), rng=rng)),
        (TypeError, "frozen must be", lambda: check(tanh, np.tanh, x, rng=rng, frozen="x")),
        (ValueError, "the reference does not take", lambda: check(tanh, product, x, rng=rng)),
        (ValueError, "frozen names", lambda: check(tanh, np.tanh, x, rng=rng, frozen=["y"])),
        (ValueError, "frozen names", lambda: check(tanh, np.tanh, x, rng=rng, frozen=[3])),
        (ValueError, "frozen names", lambda: check(tanh, np.tanh, x, rng=rng, frozen=[-1])),
    ]
    for error, message, call in cases:
        with pytest.raises(error, match=message):
            call()


def gated(takes: Callable[[int, int], bool] = lambda n, m: True) -> Layer[Any, Any]:
    """The product of x, a gate and a weight; numbers of rows, of x and of the gate, may be refused."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        gate, weight = params
        if not takes(len(x), len(gate)):
            raise ValueError(f"{len(x)} rows and {len(gate)} of the gate")
        return x * gate * weight, (own(x), own(gate), own(weight))

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, gate, weight = cache
        return dout * gate * weight, (dout * x * weight, (dout * x * gate).sum(0))

    return Layer(forward, backward)


def same_rows(n: int, m: int) -> bool:
    return n == m


def six_keys(n: int, m: int) -> bool:
    return m == 6


def doubled(x: Any) -> Any:
    return 2 * x


def of_rows(report: Report) -> list[tuple[str, bool, str]]:
    """The fields of the law `rows`, how they were judged, and the end of the note."""
    return [(v.field, v.ok, v.note.rpartition("; ")[2]) for v in report.verdicts if v.law == "rows"]


@pytest.mark.parametrize("shapes", [((16, 5), (16, 5), (5,)), ((16, 16), (16, 16), (16,)), ((16, 5), (16, 1), (5,))])
def test_arguments_that_have_rows_as_x_has_them_get_as_many(shapes: Any) -> None:
    report = checked(gated(same_rows), gated(), *arrays(np.float32, *shapes))
    assert report.ok, str(report)
    assert {field for field, _, _ in of_rows(report)} == {"out", "dx", "dparams[0]", "dparams[1]"}
    assert "left out" not in str(report)


def test_a_kernel_that_fails_with_rows_that_the_formula_takes_is_wrong() -> None:
    args = arrays(np.float32, (16, 5), (16, 5), (5,))
    report = checked(gated(lambda n, m: n == m != 33), gated(), *args)
    (wrong,) = report.failures
    assert (wrong.law, wrong.field) == ("rows", "call")
    assert wrong.note == "with 33 rows, and not with 32: raised ValueError: 33 rows and 33 of the gate"


@pytest.mark.parametrize("n", [8, 16])
def test_a_formula_that_takes_one_number_of_rows_is_asked_for_no_other(n: int) -> None:
    """It may take one row all the same, which it broadcasts."""
    x, gate = arrays(np.float32, (n, 5), (n, 5))

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        if len(x) != n:
            raise ValueError(f"{len(x)} rows")
        return x * gate, ()

    def plain(x: Any) -> Any:
        return x * gate

    report = checked(Layer(forward, lambda cache, dout: (dout * gate, ())), plain, x)
    assert report.ok, str(report)
    assert {note for _, _, note in of_rows(report)} == {f"it takes {n} rows and no other number"}
    assert {verdict.law for verdict in report.verdicts} > {"rows", "layouts", "unwritten"}


@pytest.mark.parametrize("takes", [same_rows, six_keys], ids=["of one length", "keys of one length"])
def test_of_several_arguments_that_may_have_rows_those_have_them_with_which_the_kernel_runs(
    takes: Callable[[int, int], bool],
) -> None:
    """The formula takes any number of queries and of keys."""

    def forward(keys: Array, x: Array) -> tuple[Array, Any]:
        if not takes(len(x), len(keys)):
            raise ValueError(f"{len(x)} queries and {len(keys)} keys")
        return x * keys.sum(0), (own(x), own(keys))

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, keys = cache
        return dout * keys.sum(0), np.broadcast_to((dout * x).sum(0), keys.shape).copy()

    def plain(x: Any, keys: Any) -> Any:
        return x * keys.sum(0)

    report = checked(Layer(forward, backward), plain, *arrays(np.float32, (6, 4), (6, 4)))
    assert report.ok, str(report)
    assert [field for field, _, _ in of_rows(report)] == ["out", "dx", "dkeys"]


@needs_torch
def test_what_overflows_in_a_wider_dtype_is_said_to_have_float16_inside() -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return dout * weight, (dout * x).half().sum(0).to(weight.dtype)

    report = checked(torch_function(scaled, backward), scaled, *tensors("bfloat16", (8, 10), (10,)))
    (wrong,) = [verdict for verdict in report.failures if verdict.law == "gradients"]
    assert wrong.field == "dweight"
    assert wrong.note.endswith("it overflows: does something inside have float16, whose largest number is 65,504?")


def test_a_dtype_that_differs_is_said_beside_whose_it_should_be() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return np.tanh(x).astype(np.float32), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, Any]:
        return (dout * (1 - np.tanh(x.astype(np.float64)) ** 2)).astype(np.float32), ()

    report = checked(Layer(forward, backward), np.tanh, *arrays(np.float16, (6, 4)))
    notes = {verdict.field: verdict.note for verdict in report.failures if verdict.law == "dtypes"}
    assert notes == {
        "out": "it is float32, and that of the formula is float16",
        "dx": "it is float32, and that of its argument is float16",
    }


@needs_torch
@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (2, "it is twice what it should be: is it added twice, or from an earlier call?"),
        (-1, "the sign is wrong"),
        (1 / 16, "it is 16 times too small, the number of rows: a mean for a sum?"),
        (1.5, "it is 1.5 times what it should be: a constant factor"),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_factor_is_recognised_in_every_dtype(dtype: str, factor: float, words: str) -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return dout * weight, (factor * (dout.float() * x.float()).sum(0)).to(weight.dtype)

    report = checked(torch_function(scaled, backward), scaled, *tensors(dtype, (16, 40), (40,)))
    wrong = report.failures[0]
    assert (wrong.law, wrong.field, wrong.note.rpartition("; ")[2]) == ("gradients", "dweight", words)


@needs_torch
def test_a_transpose_is_recognised_in_low_precision() -> None:
    def product(x: Any, weight: Any) -> Any:
        return x @ weight.T

    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return dout @ weight.T, dout.T @ x

    report = checked(torch_function(product, backward), product, *tensors("bfloat16", (16, 8), (8, 8)))
    (wrong,) = report.failures
    assert wrong.note.endswith("it is a product with the weights where their transpose belongs")


@needs_torch
def test_the_number_of_rows_up_to_which_it_is_right_is_said() -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return dout * weight, (dout[:128].float() * x[:128].float()).sum(0).to(weight.dtype)

    report = checked(torch_function(scaled, backward), scaled, *tensors("bfloat16", (16, 8), (8,)))
    (wrong,) = [verdict for verdict in report.failures if verdict.law == "rows"]
    assert wrong.note.startswith("with 129 rows, and not with 128: rms error ")


@needs_torch
def test_what_is_off_by_more_than_is_allowed_is_counted_and_found_in_its_columns() -> None:
    """All entries of a block are wrong, and in low precision few of them by so much that it shows."""

    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        dx = dout * weight
        dx[:, 64:] *= 1.05
        return dx, (dout * x).float().sum(0).to(weight.dtype)

    report = checked(torch_function(scaled, backward), scaled, *tensors("bfloat16", (16, 80), (80,)))
    (wrong,) = report.failures
    assert (wrong.law, wrong.field) == ("gradients", "dx")
    place = wrong.note.rpartition("; ")[2]
    assert re.fullmatch(
        r"\d+ of 1280 entries are off by more than is allowed, all of them in columns from 6\d on", place
    ), place


def uncertain(last_bit: Callable[[], int]) -> Layer[Any, Any]:
    """The product with 2, whose last bit is another one at times, as where sums are taken in any order."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return (2 * x).astype(x.dtype), ()

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx = (2 * dout).astype(dout.dtype)
        return np.nextafter(dx, np.asarray(np.inf, dx.dtype)) if last_bit() else dx, ()

    return Layer(forward, backward)


def test_other_bits_at_the_same_call_are_wrong_unless_they_are_declared() -> None:
    (x,) = arrays(np.float32, (6, 4))
    calls = count()
    layer = uncertain(lambda: next(calls) % 2)
    (wrong,) = checked(layer, doubled, x).failures
    assert (wrong.law, wrong.field) == ("repeated", "dx")
    assert wrong.note == "the same call gives other bits: name deterministic=False if sums are taken in any order"
    assert checked(layer, doubled, x, deterministic=False).ok
    assert checked(uncertain(lambda: 1), doubled, x).ok  # one bit off, and the same one every time


@needs_torch
def test_a_dout_in_another_layout_may_not_be_refused() -> None:
    def backward(dout: Any, out: Any, x: Any) -> Any:
        return 2 * dout.view(-1).reshape(dout.shape)  # view takes one layout alone

    report = checked(torch_function(doubled, backward), doubled, *tensors("bfloat16", (6, 4)))
    (wrong,) = report.failures
    assert (wrong.law, wrong.field) == ("layouts", "dout")
    assert wrong.note.startswith("for a Fortran-ordered dout: raised RuntimeError: ")
    assert "unwritten" in {verdict.law for verdict in report.verdicts}  # all other laws are checked


def test_parameters_in_another_layout_are_named() -> None:
    def flat(params: Affine, x: Array) -> tuple[Array, tuple[Array, Affine]]:
        W = params.W.ravel("K").reshape(params.W.shape)  # their order in memory, whatever it is
        return x @ W + params.b, (own(x), params)

    def back(cache: tuple[Array, Affine], dout: Array) -> tuple[Array, Affine]:
        x, params = cache
        return dout @ params.W.T, Affine(W=x.T @ dout, b=dout.sum(axis=0))

    x, W, b = arrays(np.float32, (6, 4), (4, 3), (3,))
    (wrong,) = checked(Layer(flat, back), affine, x, Affine(W=W, b=b)).failures
    assert (wrong.law, wrong.field) == ("layouts", "out")
    assert wrong.note.startswith("for Fortran-ordered parameters: ")


@needs_torch
def test_a_gradient_of_none_is_told_in_words_of_the_user_who_has_called_no_as_layer() -> None:
    report = checked(torch_kernel("None"), torch_formula, *tensors("float32", (4, 10), (10,), (10,)))
    (wrong,) = report.failures
    assert wrong.note.startswith("raised TypeError: Kernel gives None for the gradient of bias")


def rms_norm(x: Any, weight: Any) -> Any:
    return x / ((x * x).mean(-1, keepdim=True) + 1e-5) ** 0.5 * weight


def rms_kernel(low: str = "") -> Callable[..., Any]:
    """An RMS norm with float32 inside, but for one mean that is added column by column in the dtype of x or dout."""

    def mean(products: Any, dtype: Any) -> Any:
        if dtype is None:
            return products.mean(-1, keepdim=True)
        total: Any = sum(products.to(dtype).T)
        return total[:, None].float() / products.shape[-1]

    def forward(x: Any, weight: Any) -> Any:
        scale = (mean(x.float() ** 2, x.dtype if low == "forward" else None) + 1e-5).rsqrt()
        return (x.float() * scale * weight.float()).to(x.dtype)

    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        scale = (mean(x.float() ** 2, None) + 1e-5).rsqrt()
        normal, slope = x.float() * scale, dout.float() * weight.float()
        dx = scale * (slope - normal * mean(slope * normal, dout.dtype if low == "backward" else None))
        return dx.to(x.dtype), (dout.float() * normal).sum(0).to(weight.dtype)

    return torch_function(forward, backward)


@needs_torch
@pytest.mark.parametrize("dtype", LOW)
def test_means_over_columns_in_low_precision_are_found_where_they_are_long_and_of_one_sign(dtype: str) -> None:
    x, weight = tensors(dtype, (4, 32), (32,))
    weight = 1 + weight / 5
    assert checked(rms_kernel(), rms_norm, x, weight).ok
    for low, field in (("forward", "out"), ("backward", "dx")):
        (first, *_) = checked(rms_kernel(low), rms_norm, x, weight).failures
        assert (first.law, first.field) == ("columns", field)
        assert "3000 columns" in first.note


@needs_torch
def test_a_dout_that_is_out_shows_a_projection_in_low_precision() -> None:
    x, weight = tensors("bfloat16", (4, 384), (384,))
    report = checked(rms_kernel("backward"), rms_norm, x, 1 + weight / 5)
    (wrong,) = [each for each in report.failures if each.law == "gradients"]
    assert wrong.field == "dx"
    assert "for dout that is out" in wrong.note
