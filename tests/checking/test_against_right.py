"""Right kernels that are hard to judge: what cancels, NaN times 0, no entries, functions that torch refuses."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Report, check_against, check_layer, own, relu

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def checked(f: Any, reference: Any, *args: Any, seed: int = 0, **options: Any) -> Report:
    return check_against(f, reference, *args, rng=np.random.default_rng(seed), **options)


def tensors(*shapes: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> list[Any]:
    torch: Any = import_module("torch")
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator).to(getattr(torch, dtype)) for shape in shapes]


def scores(q: Any, k: Any) -> Any:
    """Of each query with the keys up to its own."""
    torch: Any = import_module("torch")
    later = torch.ones(len(q), len(k), dtype=torch.bool).triu(1)
    return (q @ k.T * q.shape[-1] ** -0.5).masked_fill(later, -torch.inf)


def attention(q: Any, k: Any, v: Any) -> Any:
    return scores(q, k).softmax(-1) @ v


def attention_kernel() -> Any:
    """The same with the derivative of flash-attention, in float32."""
    torch: Any = import_module("torch")

    class Attention(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
            sums = scores(q.float(), k.float()).logsumexp(-1, keepdim=True)
            out = (scores(q.float(), k.float()) - sums).exp() @ v.float()
            ctx.save_for_backward(q, k, v, out, sums)
            return out.to(q.dtype)

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            q, k, v, out, sums = (each.float() for each in ctx.saved_tensors)
            wide = dout.float()
            p = (scores(q, k) - sums).exp()
            slopes = p * (wide @ v.T - (wide * out).sum(-1, keepdim=True)) * q.shape[-1] ** -0.5
            return tuple(each.to(dout.dtype) for each in (slopes @ k, slopes.T @ q, p.T @ wide))

    return Attention


@needs_torch
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_gradient_that_cancels_may_leave_the_rounding_of_its_terms(dtype: str) -> None:
    """Attention over one row has none with respect to queries and keys."""
    report = checked(attention_kernel(), attention, *tensors((1, 8), (1, 8), (1, 8), dtype=dtype))
    assert report.ok, str(report)


@needs_torch
def test_what_is_left_of_terms_that_cancel_is_wrong_beyond_rounding() -> None:
    torch: Any = import_module("torch")

    class Attention(attention_kernel()):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            dq, dk, dv = attention_kernel().backward(ctx, dout)
            return dq + 1e-2 * torch.ones_like(dq), dk, dv

    report = checked(Attention, attention, *tensors((1, 8), (1, 8), (1, 8)))
    assert {verdict.field for verdict in report.failures} == {"dq"}


@needs_torch
@pytest.mark.parametrize("seed", range(3))
def test_a_softmax_whose_slopes_add_up_to_none_is_judged_by_its_terms(seed: int) -> None:
    """A dout of ones has the gradient 0."""

    def formula(x: Any) -> Any:
        return x.softmax(-1)

    def by_logarithm(x: Any) -> Any:
        return (x - x.logsumexp(-1, keepdim=True)).exp()

    def plain(x: Any) -> Any:
        raised = (x - x.amax(-1, keepdim=True)).exp()
        return raised * (1 / raised.sum(-1, keepdim=True))

    (x,) = tensors((8, 40), seed=seed)
    for f in (by_logarithm, plain):
        report = checked(f, formula, x, seed=seed)
        assert not [verdict for verdict in report.failures if "of ones" in verdict.note], str(report)


@needs_torch
def test_nan_times_a_slope_of_0_is_nan_or_a_number() -> None:
    def first(x: Any) -> Any:
        return x.max(-1).values

    def every(x: Any) -> Any:
        return x.amax(-1)

    (x,) = tensors((8, 9))
    for f, reference in ((every, first), (first, every)):
        report = checked(f, reference, x)
        assert report.ok, str(report)
    report = checked(attention_kernel(), attention, *tensors((12, 8), (12, 8), (12, 8), dtype="bfloat16"))
    assert report.ok, str(report)


@needs_torch
def test_nan_may_not_be_lost_nor_reach_another_row() -> None:
    torch: Any = import_module("torch")

    def doubled(x: Any) -> Any:
        return 2 * x

    class Lost(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return 2 * dout.nan_to_num()

    class Spread(Lost):
        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return 2 * dout + 0 * dout.sum()

    for f, words in ((Lost, "a number where that of the formula is NaN"), (Spread, "NaN where that of the formula is")):
        (wrong,) = checked(f, doubled, *tensors((6, 4))).failures
        assert (wrong.law, wrong.field) == ("not_a_number", "dx")
        assert words in wrong.note


@needs_torch
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_of_no_entries_nothing_can_be_told(shape: tuple[int, int]) -> None:
    def doubled(x: Any) -> Any:
        return 2 * x

    reports = [checked(doubled, doubled, *tensors(shape)), checked(relu, np.abs, np.zeros(shape, np.float32))]
    for report in reports:
        assert not report.failures, str(report)
        assert {verdict.note for verdict in report.undecided} == {"it has no entries: nothing can be compared"}


@needs_torch
def test_functions_that_torch_cannot_call_as_a_check_does_are_undecided_with_advice() -> None:
    torch: Any = import_module("torch")
    checkpoint: Any = import_module("torch.utils.checkpoint").checkpoint

    def recomputed(x: Any) -> Any:
        return checkpoint(torch.tanh, x, use_reentrant=True)

    cases = ((recomputed, torch.tanh, "use_reentrant=False"), (torch.relu_, torch.relu, "f(x.clone())"))
    for f, reference, advice in cases:
        report = checked(f, reference, *tensors((4, 3)))
        assert not report.failures
        (verdict,) = report.undecided
        assert advice in verdict.note


@needs_torch
def test_a_function_of_two_results_is_told_how_to_give_one() -> None:
    def two(x: Any) -> Any:
        return 2 * x, x

    def doubled(x: Any) -> Any:
        return 2 * x

    (wrong,) = checked(two, doubled, *tensors((4, 3))).failures
    assert wrong.note.endswith("must return one tensor, got a tuple of 2: wrap it: lambda *args: f(*args)[0]")


@needs_torch
def test_terms_that_are_divided_by_what_has_cancelled_leave_more() -> None:
    """A layer norm of one column divides by the root of eps."""
    torch: Any = import_module("torch")

    def formula(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        return centred * (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * weight + bias

    def norm(x: Any, weight: Any, bias: Any) -> Any:
        return torch.nn.functional.layer_norm(x, (1,), weight, bias)

    report = checked(norm, formula, *tensors((12, 1), (1,), (1,)))
    assert not {verdict.field for verdict in report.failures} & {"dx", "dweight"}, str(report)


@needs_torch
def test_how_the_reference_of_a_module_is_called_is_said() -> None:
    torch: Any = import_module("torch")

    def formula(x: Any) -> Any:
        return 2 * x

    with pytest.raises(ValueError, match=r"f is a module, so the reference is called as reference\(x, weight, bias\)"):
        checked(torch.nn.Linear(3, 2), formula, *tensors((4, 3)))


X: Array = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def first_of_ties() -> Layer[Any, Any]:
    """The largest of each row; of several that are, the first gets the slope."""

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        places, shape = c
        dx = np.zeros(shape, d.dtype)
        np.put_along_axis(dx, places[..., None], d[..., None], -1)
        return dx, ()

    return Layer(lambda p, x: (x.max(-1), (x.argmax(-1), x.shape)), backward)


def cube_root() -> Layer[Any, Any]:
    return Layer(lambda p, x: (np.cbrt(x), own(x)), lambda x, d: (d / (3 * np.cbrt(x) ** 2), ()))


def shares_that_sum_to_1() -> Layer[Any, Any]:
    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        if abs(p.sum() - 1) > 1e-3:
            raise ValueError("weights must sum to 1")
        return x * p, (own(x), own(p))

    return Layer(forward, lambda c, d: (d * c[1], (d * c[0]).sum(0)))


def directions() -> Layer[Any, Any]:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        n = np.sqrt((x * x).sum(-1, keepdims=True))
        if (n == 0).any():
            raise ValueError("a row of zeros has no direction")
        return x / n, (x / n, n)

    return Layer(forward, lambda c, d: ((d - c[0] * (c[0] * d).sum(-1, keepdims=True)) / c[1], ()))


def small(x: Array) -> Array:
    if np.abs(x).max() > 3:
        raise ValueError("x must be at most 3")
    return x


def sine_of_small() -> Layer[Any, Any]:
    return Layer(lambda p, x: (np.sin(small(x)), own(x)), lambda x, d: (d * np.cos(x), ()))


def largest(x: Array) -> Array:
    out: Array = x.max(-1)
    return out


def product(x: Array, w: Array) -> Array:
    return x * w


def normed(x: Array) -> Array:
    lengths: Array = np.sqrt((x * x).sum(-1, keepdims=True))
    out: Array = x / lengths.clip(1e-12)
    return out


def sine(x: Array) -> Array:
    return np.sin(small(x))


DOMAINS: list[tuple[Any, Any, Any]] = [
    (first_of_ties, largest, (X,)),
    (cube_root, np.cbrt, (X,)),
    (shares_that_sum_to_1, product, (X, np.array([0.2, 0.3, 0.5], np.float32))),
    (directions, normed, (X,)),
    (sine_of_small, sine, (X * np.float32(2.9 / np.abs(X).max()),)),
]


@pytest.mark.parametrize(("layer", "formula", "args"), DOMAINS)
def test_a_domain_a_choice_and_a_pole_are_no_faults(layer: Any, formula: Any, args: Any) -> None:
    with np.errstate(all="ignore"):
        assert not checked(layer(), formula, *args).failures


def test_a_layer_that_refuses_rows_that_do_not_increase_is_right() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        if (np.diff(x, axis=-1) <= 0).any():
            raise ValueError("rows must increase")
        return np.diff(x, axis=-1), x.shape

    def backward(shape: Any, d: Array) -> tuple[Array, Any]:
        dx = np.zeros(shape, d.dtype)
        dx[..., 1:] += d
        dx[..., :-1] -= d
        return dx, ()

    report = check_layer(
        Layer(forward, backward), (), np.sort(X, -1), rng=np.random.default_rng(0), only=("calls_in_between",)
    )
    assert not report.failures


@needs_torch
def test_torch_records_again_after_a_layer_that_has_turned_it_off() -> None:
    torch: Any = import_module("torch")

    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        torch.set_grad_enabled(False)
        return x * 2, ()

    only = ("process_unchanged",)
    report = check_layer(Layer(forward, lambda c, d: (2 * d, ())), (), X, rng=np.random.default_rng(0), only=only)
    assert [verdict.field for verdict in report.failures] == ["settings of torch"]
    assert torch.is_grad_enabled()
