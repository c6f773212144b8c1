"""Kernels that are wrong elsewhere: with other columns, in other layouts, at zeros and at numbers far out."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from chainrule import Report, check_against
from checking.kernels import torch_function

pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
    pytest.mark.usefixtures("without_lines_to_paste"),
]


def checked(f: Any, reference: Any, *args: Any) -> Report:
    return check_against(f, reference, *args, rng=np.random.default_rng(0))


def tensor(*shape: int, dtype: str = "float32") -> Any:
    torch: Any = import_module("torch")
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator).to(getattr(torch, dtype))


def softmax(x: Any) -> Any:
    return x.softmax(-1)


def slope(out: Any, dout: Any) -> Any:
    return out * (dout - (out * dout).sum(-1, keepdim=True))


def softmax_kernel(
    backward: Callable[[Any, Any], Any] = slope, of_x: Callable[[Any], Any] = lambda x: x
) -> Callable[..., Any]:
    def forward(x: Any) -> Any:
        return of_x(x).softmax(-1)

    def back(dout: Any, out: Any, x: Any) -> Any:
        return backward(out, dout)

    return torch_function(forward, back)


def failures(report: Report) -> set[tuple[str, str]]:
    return {(verdict.law, verdict.field) for verdict in report.failures}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(8, 33), (4, 5, 16)])
def test_a_right_kernel_is_right_everywhere(shape: tuple[int, ...], dtype: str) -> None:
    report = checked(softmax_kernel(), softmax, tensor(*shape, dtype=dtype))
    assert report.ok, str(report)
    assert {verdict.law for verdict in report.verdicts} >= {"columns", "extremes", "layouts"}


@pytest.mark.parametrize("count", [32, 64, 128])
def test_columns_beyond_a_block_are_tried(count: int) -> None:
    def block(out: Any, dout: Any) -> Any:
        return out * (dout - (out * dout)[..., :count].sum(-1, keepdim=True))

    assert failures(checked(softmax_kernel(block), softmax, tensor(8, 32))) == {("columns", "dx")}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_sum_over_whole_blocks_alone_is_found_in_low_precision(dtype: str) -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        n = x.shape[-1]
        whole = n // 128 * 128 or n
        scale = (x * x).mean(-1, keepdim=True).add(1e-5).rsqrt()
        along = (dout * weight * x)[..., :whole].sum(-1, keepdim=True)  # small beside dout, but for a dout like out
        return scale * (dout * weight - x * scale**2 * along / n), (dout * x * scale).sum(0)

    report = checked(torch_function(normed, backward), normed, tensor(6, 256, dtype=dtype), tensor(256, dtype=dtype))
    assert failures(report) == {("columns", "dx")}


def test_odd_numbers_of_columns_are_tried() -> None:
    def pairs(out: Any, dout: Any) -> Any:
        dx = slope(out, dout)
        dx[..., out.shape[-1] // 2 * 2 :] = 0
        return dx

    assert failures(checked(softmax_kernel(pairs), softmax, tensor(8, 32))) == {("columns", "dx")}


def normed(x: Any, weight: Any) -> Any:
    return x * (x * x).mean(-1, keepdim=True).add(1e-5).rsqrt() * weight


def norm_kernel(of_weight: Callable[[Any], Any]) -> Callable[..., Any]:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        scale = (x * x).mean(-1, keepdim=True).add(1e-5).rsqrt()
        unit, of_unit = x * scale, dout * weight
        dx = scale * (of_unit - unit * (of_unit * unit).mean(-1, keepdim=True))
        return dx, of_weight((dout * unit).sum(0))

    return torch_function(normed, backward)


def test_with_the_columns_the_numbers_of_a_weight_are_tried() -> None:
    def block(dweight: Any) -> Any:
        dweight[64:] = 0
        return dweight

    x, weight = tensor(8, 32), tensor(32)
    report = checked(norm_kernel(block), normed, x, weight)
    assert failures(report) == {("columns", "dweight")}, str(report)
    report = checked(norm_kernel(lambda dweight: dweight), normed, x, weight)
    assert report.ok, str(report)


def test_a_kernel_may_refuse_other_columns() -> None:
    def of_32(x: Any) -> Any:
        if x.shape[-1] % 32:
            raise ValueError(f"{x.shape[-1]} columns")
        return x

    report = checked(softmax_kernel(of_x=of_32), softmax, tensor(8, 32))
    assert report.ok, str(report)


def dense_rows(each: Any) -> Any:
    """As by a kernel that takes one row to begin where the last one ends."""
    torch: Any = import_module("torch")
    if each.stride(-1) != 1 or each.untyped_storage().nbytes() < each.numel() * each.element_size():
        return each
    return torch.as_strided(each, each.shape, torch.empty(each.shape, device="meta").stride())


def from_the_start(each: Any) -> Any:
    """As by a kernel that forgets where in its memory a tensor begins."""
    torch: Any = import_module("torch")
    return torch.as_strided(each, each.shape, each.stride(), 0) if each.is_contiguous() else each


def equally_spaced_rows(each: Any) -> Any:
    """As by a kernel that takes all rows, on any axes, to be as far apart as the last ones."""
    torch: Any = import_module("torch")
    count, size = each[..., 0].numel(), each.shape[-1]
    if each.stride(-1) != 1 or each.untyped_storage().nbytes() < 4 * ((count - 1) * each.stride(-2) + size):
        return each
    return torch.as_strided(each, (count, size), (each.stride(-2), 1)).reshape(each.shape)


def lost(axis: int) -> Callable[[Any], Any]:
    """As by a kernel that takes a step of 0 for an axis of one entry."""

    def only_the_first(each: Any) -> Any:
        if each.stride(axis) or not each.stride(1 - axis):
            return each
        taken = each.clone()
        taken.narrow(axis, 1, each.shape[axis] - 1).zero_()
        return taken

    return only_the_first


@pytest.mark.parametrize(
    ("read", "shape", "words"),
    [
        (dense_rows, (8, 33), "a row-padded"),
        (from_the_start, (8, 33), "an offset"),
        (equally_spaced_rows, (4, 5, 16), "an axis-permuted"),
        (lost(0), (8, 33), "a dout expanded over rows"),
        (lost(1), (8, 33), "a dout expanded over columns"),
    ],
    ids=["row stride", "offset", "permuted", "equal rows", "equal columns"],
)
def test_layouts_of_torch_are_tried(read: Any, shape: tuple[int, ...], words: str) -> None:
    def backward(out: Any, dout: Any) -> Any:
        return slope(out, read(dout))

    (wrong,) = checked(softmax_kernel(backward), softmax, tensor(*shape)).failures
    assert (wrong.law, wrong.field) == ("layouts", "dx")
    assert wrong.note.startswith(f"for {words}")
    if "expanded" not in words:
        assert ("layouts", "out") in failures(checked(softmax_kernel(of_x=read), softmax, tensor(*shape)))


def test_numbers_far_out_are_tried() -> None:
    torch: Any = import_module("torch")

    def overflowing(x: Any) -> Any:
        return torch.log1p(torch.exp(x))

    def clamped(x: Any) -> Any:
        return x.clamp(-15, 15) * torch.sigmoid(x)

    cases = ((overflowing, torch.nn.functional.softplus), (clamped, torch.nn.functional.silu))
    for f, formula in cases:
        assert {law for law, _ in failures(checked(f, formula, tensor(8, 9)))} == {"extremes"}


def test_a_row_of_zeros_is_tried() -> None:
    """Its mean square is 0, where eps alone is left of the root."""

    def formula(x: Any) -> Any:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()

    def by_norm(x: Any) -> Any:
        length = x.norm(dim=-1, keepdim=True)
        return x / length * (length * (length**2 / x.shape[-1] + 1e-6).rsqrt())

    (*found,) = checked(by_norm, formula, tensor(8, 9)).failures
    assert {(verdict.law, verdict.field) for verdict in found} == {("extremes", "out"), ("extremes", "dx")}
    assert all("NaN or infinite" in verdict.note for verdict in found)


ZEROS = "for x with zeros and equal numbers: "


def masked(x: Any, y: Any) -> Any:
    return y * (x != 0)


def kept(x: Any, y: Any) -> Any:
    return y


def of_sigmoid(d: Any, y: Any, x: Any) -> Any:
    return d * y * (1 - y)


def of_tanh(d: Any, y: Any, x: Any) -> Any:
    return d * (1 - y * y) * (x != 0)


def of_abs(d: Any, y: Any, x: Any) -> Any:
    return d * (x.sign() + 2 * (x == 0))


@pytest.mark.parametrize(
    ("name", "forward", "backward", "fields"),
    [
        ("sigmoid", masked, of_sigmoid, {"out", "dx"}),
        ("tanh", kept, of_tanh, {"dx"}),
        ("abs", kept, of_abs, {"dx"}),
    ],
    ids=["value", "slope", "slope beyond both sides of a kink"],
)
def test_what_is_wrong_at_zeros_alone_is_found(
    name: str, forward: Callable[..., Any], backward: Callable[..., Any], fields: set[str]
) -> None:
    formula: Callable[..., Any] = getattr(import_module("torch"), name)

    def values(x: Any) -> Any:
        return forward(x, formula(x))

    report = checked(torch_function(values, backward), formula, tensor(8, 9))
    assert failures(report) == {("extremes", field) for field in fields}
    assert all(found.note.startswith(ZEROS) for found in report.failures)


def test_what_is_wrong_for_equal_rows_alone_is_found() -> None:
    torch: Any = import_module("torch")

    def formula(x: Any) -> Any:
        return torch.nn.functional.layer_norm(x, x.shape[-1:])

    def backward(dout: Any, out: Any, x: Any) -> Any:
        with torch.enable_grad():
            again = x.detach().requires_grad_()
            (dx,) = torch.autograd.grad(formula(again), again, dout)
        return dx * (x.std(-1, keepdim=True) > 0)

    (found,) = checked(torch_function(formula, backward), formula, tensor(8, 9)).failures
    assert (found.law, found.field) == ("extremes", "dx")
    assert found.note.startswith(ZEROS)


def test_a_slope_at_equal_numbers_may_be_another_one() -> None:
    torch: Any = import_module("torch")

    def first(x: Any) -> Any:
        return x.max(-1).values

    def every(x: Any) -> Any:
        return x.amax(-1)

    def of_both(x: Any) -> Any:
        return torch.maximum(x, -x)

    def clamped(x: Any) -> Any:
        return x.clamp(min=0)

    cases = ((torch.abs, of_both), (torch.relu, clamped), (every, first))
    for f, formula in cases:
        report = checked(f, formula, tensor(8, 9))
        assert report.ok, str(report)


def sums(x: Any) -> Any:
    return x.cumsum(1)


def sums_back(block: int) -> Callable[..., Any]:
    """Sums along axis 1, whose backward loses what follows the last full block."""

    def backward(dout: Any, out: Any, x: Any) -> Any:
        dx = dout.flip(1).cumsum(1).flip(1)
        dx[:, dout.shape[1] // block * block :] = 0
        return dx

    return torch_function(sums, backward)


def test_other_lengths_between_rows_and_columns_are_tried() -> None:
    report = checked(sums_back(8), sums, tensor(4, 16, 6))
    assert failures(report) == {("lengths", "dx")}
    assert "places on axis 1" in report.failures[0].note
    assert checked(sums_back(1), sums, tensor(4, 16, 6)).ok


def test_a_length_that_leaves_much_of_a_block_over_is_tried() -> None:
    def backward(dout: Any, out: Any, x: Any) -> Any:
        dx, length = dout.flip(1).cumsum(1).flip(1), dout.shape[1]
        if length > 64 and length % 64 > 1:
            dx[:, length // 64 * 64 :] = 0
        return dx

    (wrong,) = checked(torch_function(sums, backward), sums, tensor(4, 16, 6)).failures
    assert wrong.note.startswith("with 100 places on axis 1")


def test_few_columns_show_a_mean_of_one_less() -> None:
    torch: Any = import_module("torch")

    def unbiased(x: Any) -> Any:
        return (x - x.mean(-1, keepdim=True)) / (x.float().var(-1, keepdim=True) + 1e-5).sqrt().to(x.dtype)

    def norm(x: Any) -> Any:
        return torch.nn.functional.layer_norm(x, x.shape[-1:])

    report = checked(unbiased, norm, tensor(8, 48, dtype="bfloat16"))
    assert ("columns", "out") in failures(report)


def scaled_rows(x: Any, scale: Any) -> Any:
    return x * x * scale


def test_parameters_of_ones_are_tried_with_other_numbers() -> None:
    torch: Any = import_module("torch")

    def backward(dout: Any, out: Any, x: Any, scale: Any) -> Any:
        return 2 * x * dout, (x * x * dout).sum(0)

    f = torch_function(scaled_rows, backward)
    (wrong,) = checked(f, scaled_rows, tensor(8, 5), torch.ones(5)).failures
    assert (wrong.law, wrong.field) == ("gradients", "dx")
    assert "for other parameters" in wrong.note


def weighed(x: Any, weight: Any) -> Any:
    return x * weight


def from_the_output(dout: Any, out: Any, x: Any, weight: Any) -> Any:
    return dout * weight, (dout * out / weight).sum(0)  # nan where a weight is 0


SAID = "with zeros: rms error inf", "with zeros where they had none: rms error inf"


@pytest.mark.parametrize(("start", "ok", "said"), [("normal", False, SAID[0]), ("positive", None, SAID[1])])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_parameters_that_are_zero_are_tried(start: str, ok: bool | None, said: str, dtype: str) -> None:
    weight = tensor(5, dtype=dtype)
    report = checked(
        torch_function(weighed, from_the_output), weighed, tensor(8, 5, dtype=dtype) + 9, weight_of(start, weight)
    )
    (found,) = report.failures if ok is False else report.undecided
    assert (found.law, found.field) == ("parameters", "dweight")
    assert said in found.note
    assert found.advice == ("" if ok is False else "If these parameters are not meant, let f refuse them")


def weight_of(start: str, weight: Any) -> Any:
    return {"normal": weight, "positive": weight.abs() + 0.5, "zero": 0 * weight}[start]


def leaky(x: Any, slope: Any) -> Any:
    torch: Any = import_module("torch")
    return torch.where(x > 0, x, slope * x)


def by_the_sign_of_the_output(dout: Any, out: Any, x: Any, slope: Any) -> Any:
    torch: Any = import_module("torch")
    return torch.where(out > 0, dout, slope * dout), torch.where(x > 0, 0 * dout, x * dout).sum(0)


@pytest.mark.parametrize(("start", "law"), [("normal", "gradients"), ("zero", "parameters"), ("positive", None)])
def test_parameters_of_the_other_sign_are_tried(start: str, law: str | None) -> None:
    slope = weight_of(start, tensor(5))
    report = checked(torch_function(leaky, by_the_sign_of_the_output), leaky, tensor(16, 5), slope)
    (found,) = report.failures if law else report.undecided
    assert (found.law, found.field) == (law or "parameters", "dx")
    assert ("for parameters of both signs where all " in found.note) == (start != "normal")


def test_parameters_without_gradients_are_left_alone() -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return from_the_output(dout, out, x, weight)[0], None

    def f(x: Any, weight: Any) -> Any:
        assert (weight != 0).all()
        return torch_function(weighed, backward)(x, weight)

    report = check_against(f, weighed, tensor(8, 5), tensor(5), frozen=["weight"], rng=np.random.default_rng(0))
    assert report.ok, str(report)


def test_a_kernel_may_refuse_other_parameters() -> None:
    kernel = torch_function(weighed, from_the_output)

    def f(x: Any, weight: Any) -> Any:
        assert (weight > 0).all(), "weights are positive"
        return kernel(x, weight)

    report = checked(f, weighed, tensor(8, 5), weight_of("positive", tensor(5)))
    assert report.ok, str(report)


def above_0(x: Any, weight: Any) -> Any:
    return x * weight.clamp_min(0)


def test_another_slope_at_a_kink_of_a_parameter_is_not_judged() -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        return dout * weight.clamp_min(0), (dout * x).sum(0) * (weight > 0)  # torch has a slope of 1 at 0

    report = checked(torch_function(above_0, backward), above_0, tensor(8, 5), tensor(5))
    assert report.ok, str(report)


def doubled(x: Any) -> Any:
    return 2 * x


def test_a_kernel_may_refuse_other_rows() -> None:
    def by_fours(x: Any) -> Any:
        assert len(x) % 4 == 0, "rows come in fours"
        return 2 * x

    report = checked(by_fours, doubled, tensor(8, 5))
    assert report.ok, str(report)


def test_another_slope_at_a_kink_can_not_be_told() -> None:
    torch: Any = import_module("torch")

    def backward(dout: Any, out: Any, x: Any) -> Any:
        return dout * (x >= 0)

    x = tensor(8, 6)
    x[:, ::2] = 0.0
    report = checked(torch_function(torch.relu, backward), torch.relu, x)
    assert not report.failures, str(report)
    assert {each.field for each in report.undecided} == {"dx"}
    assert "at a tie, and at a kink" in report.undecided[0].note


@pytest.mark.parametrize("seed", range(4))
def test_equal_numbers_are_no_excuse_where_the_formula_has_a_derivative(seed: int) -> None:
    """Some hundred numbers in bfloat16 always have equal ones."""

    def backward(dout: Any, out: Any, x: Any, weight: Any) -> Any:
        wide, scale = x.float(), (x.float() ** 2).mean(-1, keepdim=True).add(1e-5).rsqrt()
        unit, of_unit = wide * scale, dout.float() * weight.float()
        dx = scale * (of_unit - unit * (of_unit * unit).mean(-1, keepdim=True))
        dweight = (dout.float() * unit).sum(0)
        dx[2:3, 4:5], dweight[-1] = 0, 0
        return dx.to(x.dtype), dweight.to(x.dtype)

    args = (tensor(33, 48, dtype="bfloat16"), tensor(48, dtype="bfloat16"))
    report = check_against(torch_function(normed, backward), normed, *args, rng=np.random.default_rng(seed))
    assert failures(report) == {("gradients", "dx"), ("gradients", "dweight")}, str(report)


@pytest.mark.parametrize("block", [1, 64])
def test_a_residual_has_the_columns_of_x(block: int) -> None:
    def forward(x: Any, bias: Any, residual: Any) -> Any:
        return residual + (x + bias).tanh()

    def backward(dout: Any, out: Any, x: Any, bias: Any, residual: Any) -> Any:
        dx = dout * (1 - (x + bias).tanh() ** 2)
        dx[:, dx.shape[1] // block * block :] *= 0.5
        return dx, dx.sum(0), dout

    f = torch_function(forward, backward)
    report = checked(f, forward, tensor(8, 128), tensor(128), tensor(8, 128))
    assert {field for law, field in failures(report) if law == "columns"} == (set() if block == 1 else {"dx", "dbias"})
    assert report.ok == (block == 1), str(report)


def test_why_no_other_columns_are_tried_is_said() -> None:
    def product(x: Any, weight: Any) -> Any:
        return x @ weight

    (said,) = [each for each in checked(product, product, tensor(8, 5), tensor(5, 3)).verdicts if each.law == "columns"]
    assert (said.field, said.ok, said.note) == ("x", True, "left out: f32[5, 3] does not go along with x")
    of_square = [each.note for each in checked(softmax, softmax, tensor(6, 6)).verdicts if each.law == "columns"]
    assert of_square
    assert not any(note.startswith("left out") for note in of_square)


def dense(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight.T + bias


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("result", "block"), [(0, 8), (0, 64), (1, 8), (1, 64), (1, 128), (2, 64), (2, 1)])
def test_lengths_of_the_parameters_of_a_product_are_tried(result: int, block: int, dtype: str) -> None:
    def backward(dout: Any, out: Any, x: Any, weight: Any, bias: Any) -> Any:
        results = [dout @ weight, dout.T @ x, dout.sum(0)]
        columns = results[result].shape[-1]
        results[result][..., max(block, columns // block * block) :] *= 0.5
        return tuple(results)

    f = torch_function(dense, backward)
    report = checked(f, dense, *(tensor(*shape, dtype=dtype) for shape in ((6, 16), (8, 16), (8,))))
    name = ("dx", "dweight", "dbias")[result]
    assert failures(report) == (set() if block == 1 else {("lengths", name)}), str(report)


def test_lengths_beyond_a_block_are_tried_from_a_short_one() -> None:
    def forgets_blocks(dout: Any, out: Any, x: Any) -> Any:
        centred = dout - dout.mean(1, keepdim=True)
        centred[:, 64:] = dout[:, 64:]
        return centred

    def centred(x: Any) -> Any:
        return x - x.mean(1, keepdim=True)

    report = checked(torch_function(centred, forgets_blocks), centred, tensor(2, 20, 4))
    assert failures(report) == {("lengths", "dx")}, str(report)
    assert "65 places" in report.failures[0].note


def sine(x: Any) -> Any:
    return x.sin()


def sine_back(dout: Any, out: Any, x: Any) -> Any:
    return dout * x.cos()


def test_the_corner_of_tiles_is_tried() -> None:
    def cornerless(dout: Any, out: Any, x: Any) -> Any:
        dx = sine_back(dout, out, x)
        rows, columns = (side // 32 * 32 for side in x.shape)
        if rows and columns:
            dx[rows:, columns:] = 0
        return dx

    report = checked(torch_function(sine, cornerless), sine, tensor(16, 5))
    assert failures(report) == {("columns", "dx")}, str(report)
    assert "129 rows and columns" in report.failures[0].note


def test_the_last_column_of_a_row_may_be_far_out_alone() -> None:
    def of_the_first_block(x: Any) -> Any:
        weights = (x - x[..., :64].amax(-1, keepdim=True)).exp()
        return weights / weights.sum(-1, keepdim=True)

    def back(dout: Any, out: Any, x: Any) -> Any:
        return slope(out, dout)

    report = checked(torch_function(of_the_first_block, back), softmax, tensor(8, 100))
    assert ("extremes", "out") in failures(report), str(report)
    assert "in the last column" in report.failures[0].note


def test_a_value_error_of_a_torch_function_refuses_a_number_of_rows() -> None:
    def of_several(x: Any) -> Any:
        if len(x) == 1:
            raise ValueError("more than one row is needed")
        return sine(x)

    report = checked(torch_function(of_several, sine_back), sine, tensor(8, 5))
    assert report.ok, str(report)


def attention(q: Any, k: Any, v: Any) -> Any:
    """Queries see the keys up to their own place, where the last of both stand beside each other."""
    torch: Any = import_module("torch")
    scores = q @ k.transpose(-1, -2)
    later = torch.arange(k.shape[1])[None] > torch.arange(q.shape[1])[:, None] + (k.shape[1] - q.shape[1])
    return scores.masked_fill(later, -torch.inf).softmax(-1) @ v


def attention_kernel(*, forgets: bool) -> Callable[..., Any]:
    """By blocks of 64 keys, with a running maximum and sum, which may be forgotten in what was summed before."""
    torch: Any = import_module("torch")

    def forward(q: Any, k: Any, v: Any) -> Any:
        summed = torch.zeros(*q.shape[:2], v.shape[-1])
        total, largest = torch.zeros(*q.shape[:2], 1), torch.full((*q.shape[:2], 1), -torch.inf)
        own = torch.arange(q.shape[1])[:, None] + (k.shape[1] - q.shape[1])
        for start in range(0, k.shape[1], 64):
            block = slice(start, start + 64)
            scores = q @ k[:, block].transpose(-1, -2)
            scores = scores.masked_fill(torch.arange(k.shape[1])[block] > own, -torch.inf)
            now = torch.maximum(largest, scores.amax(-1, keepdim=True))
            finite = now.masked_fill(now == -torch.inf, 0)
            weights, kept = (scores - finite).exp(), (largest - finite).exp()
            total = total * kept + weights.sum(-1, keepdim=True)
            summed = summed * (1 if forgets else kept) + weights @ v[:, block]
            largest = now
        return summed / total

    def back(dout: Any, out: Any, q: Any, k: Any, v: Any) -> Any:
        with torch.enable_grad():
            inputs = [each.detach().requires_grad_() for each in (q, k, v)]
            dq, dk, dv = torch.autograd.grad(attention(*inputs), inputs, dout)
        return dq + 0 * out.sum(-1, keepdim=True), dk, dv  # nan for a query that sees no key, as out is

    return torch_function(forward, back)


def test_a_maximum_may_come_in_a_later_block_of_a_longer_axis() -> None:
    q, k, v = tensor(2, 24, 8), 0.5 * tensor(2, 24, 8), tensor(2, 24, 8)
    assert checked(attention_kernel(forgets=False), attention, q, k, v).ok
    report = checked(attention_kernel(forgets=True), attention, q, k, v)
    assert ("lengths", "out") in failures(report), str(report)


def test_where_the_formula_gives_no_numbers_nothing_is_asked() -> None:
    q, k, v = tensor(2, 10, 8), 0.5 * tensor(2, 40, 8), tensor(2, 40, 8)  # of 65 queries 25 would see no key
    report = checked(attention_kernel(forgets=False), attention, q, k, v)
    assert report.ok, str(report)
