"""Kernels that are wrong in another call: without some gradients, the second time, on memory that was written to."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer, Report, check_against, own

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def checked(f: Any, reference: Any, *args: Any, **options: Any) -> Report:
    return check_against(f, reference, *args, rng=np.random.default_rng(0), **options)


def tensors(*shapes: tuple[int, ...], dtype: str = "float32") -> list[Any]:
    torch: Any = import_module("torch")
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator).to(getattr(torch, dtype)) for shape in shapes]


def function(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """A function of torch's whose derivatives somebody has written."""
    torch: Any = import_module("torch")

    class Kernel(torch.autograd.Function):  # type: ignore[misc]  # its base is torch's
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            return forward(ctx, *args)

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            return backward(ctx, dout)

    return Kernel.apply


def linear(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight + bias


def saving(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    ctx.save_for_backward(x, weight)
    return linear(x, weight, bias)


def doubled(x: Any) -> Any:
    return 2 * x


def squared(x: Any) -> Any:
    return x * x


def failures(report: Report) -> set[tuple[str, str]]:
    return {(verdict.law, verdict.field) for verdict in report.failures}


def needed(ctx: Any, dout: Any) -> Any:
    x, weight = ctx.saved_tensors
    needs = ctx.needs_input_grad
    return dout @ weight.T if needs[0] else None, x.T @ dout if needs[1] else None, dout.sum(0) if needs[2] else None


def of_x_alone(ctx: Any, dout: Any) -> Any:
    x, weight = ctx.saved_tensors
    return (dout @ weight.T, x.T @ dout, dout.sum(0)) if ctx.needs_input_grad[0] else (None, None, dout.sum(0))


def mean_without_bias(ctx: Any, dout: Any) -> Any:
    x, weight = ctx.saved_tensors
    return dout @ weight.T, x.T @ dout / (1 if ctx.needs_input_grad[2] else len(x)), dout.sum(0)


ARGS = ((6, 5), (5, 4), (4,))


@needs_torch
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_kernel_that_gives_what_is_needed_is_right(dtype: str) -> None:
    for frozen in ([], ["x"], [1], [0, "bias"]):
        report = checked(function(saving, needed), linear, *tensors(*ARGS, dtype=dtype), frozen=frozen)
        assert report.ok, str(report)


@needs_torch
@pytest.mark.parametrize(
    ("backward", "words"), [(of_x_alone, "gives None for the gradient of"), (mean_without_bias, "alone requires")]
)
def test_a_gradient_that_depends_on_whether_another_is_needed_is_wrong(backward: Any, words: str) -> None:
    report = checked(function(saving, backward), linear, *tensors(*ARGS))
    assert ("requires_grad", "dweight") in failures(report)
    assert {law for law, _ in failures(report)} == {"requires_grad"}
    assert words in report.failures[0].note


@needs_torch
def test_a_frozen_x_requires_no_gradient() -> None:
    seen: set[bool] = set()

    def backward(ctx: Any, dout: Any) -> Any:
        seen.add(ctx.needs_input_grad[0])
        return needed(ctx, dout)

    assert checked(function(saving, backward), linear, *tensors(*ARGS), frozen=[0]).ok
    assert seen == {False}
    assert not checked(function(saving, of_x_alone), linear, *tensors(*ARGS), frozen=[0]).ok


@needs_torch
def test_what_backward_writes_to_what_it_has_saved_is_found() -> None:
    torch: Any = import_module("torch")

    def forward(ctx: Any, x: Any) -> Any:
        out = torch.tanh(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx: Any, dout: Any) -> Any:
        (out,) = ctx.saved_tensors
        return out.data.square_().neg_().add_(1).mul_(dout)

    found = failures(checked(function(forward, backward), torch.tanh, *tensors((8, 5))))
    assert found == {("repeated", "dx"), ("held", "out")}


@needs_torch
def test_what_backward_writes_to_what_torch_watches_is_found_though_torch_refuses_it() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(2 * x)
        return x * x

    def backward(ctx: Any, dout: Any) -> Any:
        (slopes,) = ctx.saved_tensors
        return slopes.mul_(dout)

    report = checked(function(forward, backward), squared, *tensors((8, 5)))
    assert failures(report) == {("repeated", "dx")}
    assert "backward writes to what was saved" in report.failures[0].note


@needs_torch
def test_a_backward_that_torch_runs_once_is_left_alone() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.x = x.detach().clone()
        return x * x

    def backward(ctx: Any, dout: Any) -> Any:
        if ctx.x is None:
            raise RuntimeError("the buffers have been freed")
        x, ctx.x = ctx.x, None
        return 2 * x * dout

    assert checked(function(forward, backward), squared, *tensors((8, 5))).ok


@needs_torch
def test_a_buffer_that_every_call_returns_is_found() -> None:
    torch: Any = import_module("torch")
    buffers: dict[Any, Any] = {}

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx: Any, dout: Any) -> Any:
        (x,) = ctx.saved_tensors
        buffer = buffers.setdefault((x.shape, x.dtype), torch.empty_like(x))
        return torch.mul(2 * x, dout, out=buffer)

    (wrong,) = checked(function(forward, backward), squared, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("held", "dx")
    assert wrong.note == "a later call writes to it: is a buffer used again?"


def test_a_buffer_of_numpy_is_found() -> None:
    buffer = np.zeros((8, 5), np.float32)

    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return x * x, own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, Any]:
        if x.shape != buffer.shape:
            return 2 * x * dout, ()
        np.multiply(2 * x, dout, out=buffer)
        return buffer, ()

    x = np.random.default_rng(0).standard_normal((8, 5), np.float32)
    assert failures(checked(Layer(forward, backward), squared, x)) == {("held", "dx")}


@needs_torch
def test_another_size_between_forward_and_backward_is_tried() -> None:
    rows: list[int] = []

    def forward(ctx: Any, x: Any) -> Any:
        rows.append(len(x))
        ctx.rows = len(x)
        return x.mean(0)

    def backward(ctx: Any, dout: Any) -> Any:
        return (dout / rows[-1]).expand(ctx.rows, -1)

    def mean(x: Any) -> Any:
        return x.mean(0)

    (wrong,) = checked(function(forward, backward), mean, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("repeated", "dx")
    assert wrong.note == "a call with 1 row between forward and backward changes it"


@needs_torch
def test_what_is_kept_of_a_parameter_that_is_written_to_is_found() -> None:
    kept: dict[int, Any] = {}

    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        _, copied = kept.setdefault(weight.data_ptr(), (weight, weight.detach().clone()))
        ctx.save_for_backward(x, copied)
        return x @ copied

    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        return dout @ weight.T, x.T @ dout

    def product(x: Any, weight: Any) -> Any:
        return x @ weight

    report = checked(function(forward, backward), product, *tensors((6, 5), (5, 4)))
    assert {law for law, _ in failures(report)} == {"stale"}


@needs_torch
@pytest.mark.parametrize("recorded", ["is_grad_enabled", "requires_grad"])
def test_other_values_without_gradients_are_found(recorded: str) -> None:
    torch: Any = import_module("torch")

    def f(x: Any) -> Any:
        return x * (2 if (torch.is_grad_enabled() if recorded == "is_grad_enabled" else x.requires_grad) else 3)

    (wrong,) = checked(f, doubled, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("without_gradients", "out")
    where = "under torch.no_grad()" if recorded == "is_grad_enabled" else "where nothing requires a gradient"
    assert wrong.note.startswith(f"{where}: ")


def unsettled(setting: str) -> Callable[[], object]:
    torch: Any = import_module("torch")
    changes: dict[str, Callable[[], object]] = {
        "dtype": lambda: torch.set_default_dtype(torch.float64),
        "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
        "algorithms": lambda: torch.use_deterministic_algorithms(True),
        "state of torch": lambda: torch.manual_seed(0),
        "state of numpy": lambda: np.random.seed(0),
        "errors": lambda: np.seterr(all="ignore"),
    }
    return changes[setting]


@needs_torch
@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("dtype", "settings of torch"),
        ("threads", "settings of torch"),
        ("algorithms", "settings of torch"),
        ("state of torch", "the random state of torch"),
        ("state of numpy", "the state of numpy.random"),
        ("errors", "numpy.geterr"),
    ],
)
def test_what_a_call_changes_of_the_process_is_found_and_put_back(setting: str, field: str) -> None:
    torch: Any = import_module("torch")

    def state() -> list[Any]:
        of_numpy: Any = np.random.get_state(legacy=False)
        seeds = torch.get_rng_state().tolist(), of_numpy["state"]["key"].tolist()
        strict = torch.are_deterministic_algorithms_enabled()
        return [*seeds, torch.get_default_dtype(), torch.get_num_threads(), strict, np.geterr()]

    def f(x: Any) -> Any:
        unsettled(setting)()
        return 2 * x

    before = state()
    (wrong,) = checked(f, doubled, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("process_unchanged", field)
    assert state() == before


@needs_torch
def test_a_call_that_gives_other_numbers_than_the_first_is_found() -> None:
    calls: list[None] = []

    def f(x: Any) -> Any:
        calls.append(None)
        return x * (3 if len(calls) == 1 else 2)

    (wrong,) = checked(f, doubled, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("process_unchanged", "the first call")


def keeping_its_weight(key: Callable[[Any], Any]) -> Any:
    """A product with weights that are transposed once, and kept."""
    kept: dict[Any, Any] = {}

    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x, weight)
        if key(weight) not in kept:
            kept[key(weight)] = weight.t().contiguous()
        return x @ kept[key(weight)]

    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        return dout @ weight, dout.t() @ x

    return function(forward, backward)


def the_same(weight: Any) -> str:
    return "weight"


def by_transpose(x: Any, weight: Any) -> Any:
    return x @ weight.T


@needs_torch
def test_a_copy_of_the_weights_that_is_kept_for_ever_is_found() -> None:
    report = checked(keeping_its_weight(the_same), by_transpose, *tensors((8, 5), (6, 5)))
    assert not report.ok
    assert ("stale", "out") in failures(report)


@needs_torch
def test_a_setting_of_products_is_put_back() -> None:
    torch: Any = import_module("torch")
    before = torch.get_float32_matmul_precision()

    def f(x: Any) -> Any:
        torch.set_float32_matmul_precision("medium")
        return 2 * x

    (wrong,) = checked(f, doubled, *tensors((8, 5))).failures
    assert (wrong.law, wrong.field) == ("process_unchanged", "settings of torch")
    assert torch.get_float32_matmul_precision() == before
