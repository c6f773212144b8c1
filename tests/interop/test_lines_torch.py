"""torch: the lines that show a mistake in a function of torch's run without this library, and print both numbers."""

import ast
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Report, check_layer
from chainrule.interop.in_code import ASSIGNED
from chainrule.interop.parameters import named
from chainrule.interop.torch import as_encoder, as_layer, parameters

torch: Any = import_module("torch")  # it need not be installed where types are checked

FUNCTION: Any = torch.autograd.Function
MODULE: Any = torch.nn.Module


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape)


class Scaled(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """A product, of whose weight the gradient is a mean in place of a sum."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).mean(0)


class Halved(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """The identity, whose gradient goes through float16 where it is float32."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return dout.half().float() if dout.dtype is torch.float32 else dout


class Normed(MODULE):  # type: ignore[misc]  # its class is of no type here
    """A module with buffers in float32, and with modules in it."""

    def __init__(self) -> None:
        MODULE.__init__(self)
        self.norm = torch.nn.BatchNorm1d(3)
        self.weight = torch.nn.Parameter(torch.tensor([0.5, -2.0, 1.5]))

    def forward(self, x: Any) -> Any:
        return Scaled.apply(self.norm(x), self.weight)


def of_dictionary(x: Any, params: dict[str, Any]) -> Any:
    return Scaled.apply(x, params["the weight"])


def of_list(params: list[Any], x: Any) -> Any:
    return Scaled.apply(x, params[0]) + params[1]


def by_name(*, weight: Any, rows: Any) -> Any:
    return Scaled.apply(rows, weight)


def scaled(factor: float, x: Any, weight: Any) -> Any:
    return Scaled.apply(factor * x, weight)


def of_words(words: Any, table: Any) -> Any:
    return Scaled.apply(torch.ones(3, 1, dtype=table.dtype), table[0]) + table[words].sum(1)


NORMED = Normed().eval()

CASES: dict[str, tuple[Any, Any, Any, str, Any]] = {
    "a Function": (as_layer(Scaled), normal(3), normal(5, 3), "Scaled", Scaled),
    "its apply": (as_layer(Scaled.apply), (normal(3),), normal(5, 3), "Scaled", Scaled),
    "a dictionary": (as_layer(of_dictionary), {"the weight": normal(3)}, normal(5, 3), "of_dictionary", of_dictionary),
    "a list": (as_layer(of_list, x=1), named([normal(3), normal(3)]), normal(5, 3), "of_list", of_list),
    "names": (as_layer(by_name, x="rows"), named({"weight": normal(3)}), normal(5, 3), "by_name", by_name),
    "a function without a name": (as_layer(partial(scaled, 1.0)), normal(3), normal(5, 3), "f", partial(scaled, 1.0)),
    "a module": (as_layer(NORMED), parameters(NORMED), normal(5, 3).astype(np.float32), "module", NORMED),
    "an encoder": (as_encoder(of_words), normal(4, 2), np.array([[0, 1], [1, 1], [2, 3]]), "of_words", of_words),
}


def run(lines: str, name: str, function: Any, capsys: pytest.CaptureFixture[str]) -> list[float]:
    names: dict[str, Any] = {name: function}
    exec(lines, names)  # noqa: S102  # the lines that the report gives to paste
    return [float(each) for each in capsys.readouterr().out.split()]


@pytest.mark.parametrize("case", CASES)
def test_the_lines_call_the_function_with_tensors(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    *_, name, function = CASES[case]
    report = report_of(case)
    got, expected = run(report.example, name, function, capsys)
    assert abs(got - expected) > 0.01
    assert "chainrule" not in report.example
    assert "torch.autograd.grad(out, " in report.example


def test_numbers_in_float32_are_shown_beside_those_in_float64(capsys: pytest.CaptureFixture[str]) -> None:
    x = normal(5, 3).astype(np.float32)
    report = check_layer(as_layer(Halved), (), x, rng=np.random.default_rng(0), only=["structure", "precision"])
    got, expected = run(report.example, "Halved", Halved, capsys)
    assert 1e-5 < abs(got / expected - 1) < 1e-2


def test_a_function_that_refuses_float64_is_shown_in_float32(capsys: pytest.CaptureFixture[str]) -> None:
    def kernel(x: Any, weight: Any) -> Any:
        if x.dtype is not torch.float32:
            raise TypeError(f"x is {x.dtype}")
        return Scaled.apply(x, weight)

    weight, x = (value.astype(np.float32) for value in (normal(3), normal(5, 3)))
    rng = np.random.default_rng(0)
    report = check_layer(as_layer(kernel), weight, x, rng=rng, only=["structure", "derivative"])
    got, expected = run(report.example, "kernel", kernel, capsys)
    assert abs(got - expected) > 0.01


class Clipped(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """The identity, whose gradient has a bound."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return dout.clamp(-20, 20)


class Filling(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """The identity, whose gradient has numbers for nan."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return torch.nan_to_num(dout)


class Halving(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """The identity, which leaves half of its input there."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        out = x.clone()
        x.mul_(0.5)
        return out

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return dout.clone()


class InOrder(FUNCTION):  # type: ignore[misc]  # its class is of no type here
    """The identity, whose gradient is read as if its rows stood one after another in memory."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return torch.as_strided(dout, dout.shape, (dout.shape[1], 1)).clone()


class Block(Scaled):
    """A product, of whose gradient with respect to the weight rows beyond 64 are forgotten."""

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x)[:64].sum(0)


class Counting(MODULE):  # type: ignore[misc]  # its class is of no type here
    """A module whose output depends on how often it was called."""

    def __init__(self) -> None:
        MODULE.__init__(self)
        self.weight = torch.nn.Parameter(torch.tensor([0.5, -2.0, 1.5]))
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * self.weight * self.calls


COUNTING = Counting()

OTHER_LAWS: dict[str, tuple[str, Any, Any, str, Any]] = {
    "a bound": ("linearity", as_layer(Clipped), (), "Clipped", Clipped),
    "a bound for large numbers": ("scaled", as_layer(Clipped), (), "Clipped", Clipped),
    "nan": ("nan_shows", as_layer(Filling), (), "Filling", Filling),
    "x": ("arguments_unchanged", as_layer(Halving), (), "Halving", Halving),
    "memory": ("any_layout", as_layer(InOrder), (), "InOrder", InOrder),
    "rows": ("independent_rows", as_layer(Block), normal(3).astype(np.float32), "Block", Block),
    "calls": ("repeatability", as_layer(COUNTING), parameters(COUNTING), "module", COUNTING),
}


@cache
def report_of(case: str) -> Report:
    """The report on a case of either table, whose lines several tests read."""
    law, layer, params, *_ = OTHER_LAWS[case] if case in OTHER_LAWS else ("derivative", *CASES[case][:2])
    x = CASES[case][2] if case in CASES else normal(5, 3).astype(np.float32)
    return check_layer(layer, params, x, rng=np.random.default_rng(0), only=["structure", law])


@pytest.mark.parametrize("case", OTHER_LAWS)
def test_what_no_single_number_shows_is_shown_by_calls_with_tensors(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    law, _, _, name, function = OTHER_LAWS[case]
    report = report_of(case)
    assert {verdict.law for verdict in report.failures} == {law}
    got, expected = run(report.example, name, function, capsys)
    assert not np.isclose(got, expected, rtol=1e-6, atol=0)
    assert "chainrule" not in report.example


@pytest.mark.parametrize(
    ("law", "name"),
    [
        ("derivative", "h"),
        ("derivative", "dout"),
        ("derivative", "p0"),
        ("independent_rows", "dout"),
        ("precision", "x"),
    ],
)
def test_a_function_may_have_a_name_that_the_lines_have_a_use_for(
    law: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(x: Any, weight: Any) -> Any:
        wrong = {"derivative": Scaled, "independent_rows": Block}
        return Halved.apply(x * weight) if law == "precision" else wrong[law].apply(x, weight)

    function.__name__ = name
    weight, x = (value.astype(np.float32) for value in (normal(3), normal(5, 3)))
    report = check_layer(as_layer(function), weight, x, rng=np.random.default_rng(0), only=["structure", law])
    assert f"f = {name}  # {name} is another thing below" in report.example.splitlines()
    got, expected = run(report.example, name, function, capsys)
    assert not np.isclose(got, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("case", [*CASES, *OTHER_LAWS])
def test_a_function_is_called_by_no_name_that_the_lines_assign(case: str) -> None:
    nodes = [*ast.walk(ast.parse(report_of(case).example))]
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assigned |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    assigned |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    assigned |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    assert {"x", "dout"} < assigned or case == "an encoder"
    assert [name for name in sorted(assigned) if not ASSIGNED.fullmatch(name)] == []
