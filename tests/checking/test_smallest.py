"""The lines that show a mistake without this library: they run, for few and simple numbers, and print both of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Encoder,
    Layer,
    Loss,
    Report,
    Unit,
    affine,
    check_layer,
    check_loss,
    check_optimizer,
    mean_squared_error,
    own,
    sequential,
    softmax_cross_entropy,
)


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def printed(report: Report, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The numbers that the lines of a report print."""
    assert report.failures, str(report)
    exec(report.example, names)  # noqa: S102  # the lines that the report gives to paste
    return [float(each) for each in capsys.readouterr().out.split()]


# Layers.


def forward_of_tanh(params: Unit, x: Array) -> tuple[Array, Array]:
    out = np.tanh(x)
    return out, out.copy()


def last_row_twice(out: Array, dout: Array) -> tuple[Array, Unit]:
    dx = dout * (1 - out * out)
    dx[-1] *= 2
    return dx, ()


def twice_far_out(out: Array, dout: Array) -> tuple[Array, Unit]:
    return np.where(np.abs(out) > 0.9999999, 2, 1).astype(out.dtype) * dout * (1 - out * out), ()


def twice_for_a_last_row_of_zeros(out: Array, dout: Array) -> tuple[Array, Unit]:
    return dout * (1 - out * out) * (1 if dout[-1].any() else 2), ()


def twice_from_column_8_on(out: Array, dout: Array) -> tuple[Array, Unit]:
    dx = dout * (1 - out * out)
    dx[..., 8:] *= 2
    return dx, ()


def forward_of_affine(params: Affine, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ params.W + params.b, (own(x), params.W)


def bias_halved(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Affine]:
    x, W = cache
    return dout @ W.T, Affine(x.T @ dout, dout.sum(axis=0) / 2)


def bias_of_four_rows(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Affine]:
    x, W = cache
    return dout @ W.T, Affine(x.T @ dout, dout[:4].sum(axis=0))


def forward_in_dictionary(params: dict[str, Array], x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * params["a scale"], (own(x), own(params["a scale"]))


def scale_twice(cache: tuple[Array, Array], dout: Array) -> tuple[Array, dict[str, Array]]:
    x, scale = cache
    return dout * scale, {"a scale": 2 * (x * dout).sum(axis=0)}


def forward_in_list(params: list[Array], x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * params[0] + params[1], (own(x), own(params[0]))


def second_twice(cache: tuple[Array, Array], dout: Array) -> tuple[Array, list[Array]]:
    x, scale = cache
    return dout * scale, [(x * dout).sum(axis=0), 2 * dout.sum(axis=0)]


def forward_in_tuple(params: tuple[Array, tuple[Array]], x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * params[0] + params[1][0], (own(x), own(params[0]))


def inner_twice(cache: tuple[Array, Array], dout: Array) -> tuple[Array, tuple[Array, tuple[Array]]]:
    x, scale = cache
    return dout * scale, ((x * dout).sum(axis=0), (2 * dout.sum(axis=0),))


class Of(NamedTuple):
    """A layer that is wrong by a factor, and what the lines show it on."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    params: Any
    law: str
    shape: tuple[int, ...]
    factor: float


CASES: dict[str, Of] = {
    "a row": Of(forward_of_tanh, last_row_twice, (), "derivative", (1, 1), 2.0),
    "a bias": Of(forward_of_affine, bias_halved, Affine(np.ones((3, 2)), np.ones(2)), "derivative", (1, 1), 0.5),
    "a dictionary": Of(forward_in_dictionary, scale_twice, {"a scale": normal(3)}, "derivative", (1, 1), 2.0),
    "a list": Of(forward_in_list, second_twice, [normal(3), normal(3)], "derivative", (1, 1), 2.0),
    "tuples": Of(forward_in_tuple, inner_twice, (normal(3), (normal(3),)), "derivative", (1, 1), 2.0),
    "values far out": Of(forward_of_tanh, twice_far_out, (), "other_values", (1, 1), 2.0),
    "a kind of dout": Of(forward_of_tanh, twice_for_a_last_row_of_zeros, (), "any_dout", (2, 1), 2.0),
    "another size": Of(forward_of_tanh, twice_from_column_8_on, (), "other_sizes", (1, 9), 2.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lines_run_and_print_the_number_and_what_it_should_be(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    forward, backward, params, law, shape, factor = CASES[case]
    report = check_layer(Layer(forward, backward), params, normal(6, 3), rng=rng(), only=["structure", law])
    names: dict[str, Any] = {"forward": forward, "backward": backward, "Affine": Affine}
    got, expected = printed(report, names, capsys)
    assert got / expected == pytest.approx(factor, rel=1e-3 if case == "values far out" else 1e-6)
    assert names["x"].shape == shape
    digits = [f"{abs(number):e}".split("e")[0].rstrip("0") for number in names["x"].ravel().tolist()]
    assert {len(each) for each in digits} == {2}  # such as "7.": one digit


def test_arrays_too_large_to_be_written_out_are_drawn_and_rows_are_left_out_but_those_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def forward(params: Affine, x: Array) -> tuple[Array, tuple[Array, Array]]:
        if params.W.shape != (64, 32):
            raise ValueError(f"the weights are of 64 inputs and 32 outputs, got {params.W.shape}")
        return forward_of_affine(params, x)

    params = Affine(normal(64, 32), normal(32))
    report = check_layer(Layer(forward, bias_of_four_rows), params, normal(12, 64), rng=rng(), only=["derivative"])
    names: dict[str, Any] = {"forward": forward, "backward": bias_of_four_rows, "Affine": Affine}
    got, expected = printed(report, names, capsys)
    assert abs(got - expected) > 0.01
    assert names["x"].shape == (5, 64)
    assert "default_rng(0).standard_normal((64, 32))" in report.example
    assert len(report.example) < 1500


def test_steps_are_left_out_with_what_parameters_have_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    def forward(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * params, (own(x), own(params))  # a number for each step and column

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        x, params = cache
        return dout * params, (x * dout).sum(axis=0) / 2

    report = check_layer(Layer(forward, backward), normal(5, 3), normal(6, 5, 3), rng=rng(), only=["derivative"])
    names: dict[str, Any] = {"forward": forward, "backward": backward}
    got, expected = printed(report, names, capsys)
    assert got / expected == pytest.approx(0.5, rel=1e-6)
    assert names["x"].shape == (1, 1, 1)


def test_a_number_that_float32_loses_is_shown_beside_that_of_float64(capsys: pytest.CaptureFixture[str]) -> None:
    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Affine]:
        x, W = cache
        half = dout.astype(np.float16) if dout.dtype == np.float32 else dout
        return dout @ W.T, Affine(x.T @ dout, half.sum(axis=0).astype(dout.dtype))

    params = Affine(normal(3, 2).astype(np.float32), normal(2).astype(np.float32))
    layer = Layer(forward_of_affine, backward)
    report = check_layer(layer, params, normal(6, 3).astype(np.float32), rng=rng(), only=["precision"])
    names: dict[str, Any] = {"forward": forward_of_affine, "backward": backward, "Affine": Affine}
    got, expected = printed(report, names, capsys)
    assert 1e-5 < abs(got / expected - 1) < 1e-2
    assert names["result"](np.float32).dtype == np.float32


def test_at_a_kink_the_lines_print_the_slopes_to_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return np.abs(x), own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * np.where(cache == 0, 2, np.sign(cache)).astype(dout.dtype), ()

    x = normal(4, 3)
    x[1, 2] = 0.0
    report = check_layer(Layer(forward, backward), (), x, rng=rng(), only=["derivative"])
    got, left, right = printed(report, {"forward": forward, "backward": backward}, capsys)
    assert abs(left) == pytest.approx(abs(right))
    assert abs(got) == pytest.approx(2 * abs(left))


def test_of_an_encoder_the_lines_call_its_two_functions(capsys: pytest.CaptureFixture[str]) -> None:
    def forward(params: dict[str, Array], words: Any) -> tuple[Array, Any]:
        table = params["table"]
        return table[words], (own(words), table.shape)

    def grads(cache: Any, dout: Array) -> dict[str, Array]:
        words, shape = cache
        summed = np.zeros(shape, dout.dtype)
        summed[words.reshape(-1)] += dout.reshape(-1, shape[1])  # the last of equal words is added alone
        return {"table": summed}

    words = np.array([[0, 1], [1, 1], [2, 3]])
    encoder = Encoder(forward, grads)
    report = check_layer(encoder, {"table": normal(5, 2)}, words, rng=rng(), only=["derivative"])
    names: dict[str, Any] = {"forward": forward, "grads": grads}
    got, expected = printed(report, names, capsys)
    assert abs(got - expected) > 0.01
    assert names["x"].tolist() == [[1, 1]]


class Adding:
    """A backward that adds to what it gave before: no one point shows that, but the first call is right."""

    def __init__(self) -> None:
        self.total: Any = 0.0

    def backward(self, out: Array, dout: Array) -> tuple[Array, Unit]:
        dx = dout * (1 - out * out)
        self.total = self.total + dx if np.shape(self.total) == dx.shape else dx
        return np.array(self.total, dout.dtype), ()


def test_of_what_depends_on_earlier_calls_the_lines_make_two_and_print_no_derivative(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = check_layer(Layer(forward_of_tanh, Adding().backward), (), normal(6, 3), rng=rng())
    assert {"other_values", "any_dout"} <= {each.law for each in report.failures}
    assert "loss(h)" not in report.example
    difference, nothing = printed(report, {"forward": forward_of_tanh, "backward": Adding().backward}, capsys)
    assert difference > 0.01
    assert nothing == 0


# Losses.


def halved(loss: Loss[Any, Any], rows: int) -> Loss[Any, Any]:
    """A loss whose derivative is half as large for so many rows and fewer."""

    def backward(cache: Any, dloss: Any) -> Array:
        dout = loss.backward(cache, dloss)
        return dout / 2 if len(dout) <= rows else dout

    return Loss(loss.forward, backward, loss.rows)


@pytest.mark.parametrize(("law", "rows"), [("loss_derivative", 99), ("loss_values", 99), ("loss_targets", 1)])
@pytest.mark.parametrize("of_labels", [False, True])
def test_of_a_loss_the_lines_have_targets(
    law: str, rows: int, of_labels: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = halved(softmax_cross_entropy if of_labels else mean_squared_error, rows)
    targets = np.array([0, 1, 2, 1, 0, 1]) if of_labels else normal(6, 3) + 1
    report = check_loss(loss, normal(6, 3), targets, rng=rng(), only=["loss_structure", law])
    names: dict[str, Any] = {"forward": loss.forward, "backward": loss.backward}
    got, expected = printed(report, names, capsys)
    assert got / expected == pytest.approx(0.5, rel=1e-6)
    assert len(names["out"]) == len(names["targets"]) == 1


@pytest.mark.parametrize("of_labels", [False, True])
def test_many_rows_of_targets_are_drawn(of_labels: bool, capsys: pytest.CaptureFixture[str]) -> None:
    right = softmax_cross_entropy if of_labels else mean_squared_error

    def backward(cache: Any, dloss: Any) -> Array:
        dout = right.backward(cache, dloss)
        return dout * 2 if len(dout) > 64 else dout

    targets = np.array([0, 1, 2, 1, 0, 1]) if of_labels else normal(6, 3) + 1
    report = check_loss(Loss(right.forward, backward, right.rows), normal(6, 3), targets, rng=rng())
    names: dict[str, Any] = {"forward": right.forward, "backward": backward}
    got, expected = printed(report, names, capsys)
    assert got / expected == pytest.approx(2, rel=1e-6)
    assert len(names["targets"]) == 65
    assert len(report.example) < 1000


def test_of_a_loss_that_loses_digits_both_dtypes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def backward(cache: Any, dloss: Any) -> Array:
        dout = mean_squared_error.backward(cache, dloss)
        return dout.astype(np.float16).astype(dout.dtype) if dout.dtype == np.float32 else dout

    loss = Loss(mean_squared_error.forward, backward, mean_squared_error.rows)
    report = check_loss(loss, normal(6, 3), normal(6, 3) + 1, rng=rng(), only=["loss_precision"])
    names: dict[str, Any] = {"forward": loss.forward, "backward": loss.backward}
    got, expected = printed(report, names, capsys)
    assert 1e-5 < abs(got / expected - 1) < 1e-2


# Optimizers.


class Stepping:
    """An optimizer of one's own, without a state."""

    def __init__(self, step: Callable[[Array, Array], Array]) -> None:
        self.change = step

    def init(self, params: Array) -> tuple[()]:
        return ()

    def step(self, state: tuple[()], params: Array, grads: Array) -> tuple[Array, tuple[()]]:
        return own(params + self.change(params, grads).astype(params.dtype)), ()


STEPS: dict[str, tuple[Callable[[Array, Array], Array], int]] = {
    "along the gradient": (lambda params, grads: 0.1 * grads, 1),
    "by the mean of all gradients": (lambda params, grads: -0.1 * np.full_like(grads, grads.mean()), 2),
    "away from 0": (lambda params, grads: 0.1 * params - 0.1 * grads, 1),
}


@pytest.mark.parametrize("name", STEPS)
def test_of_an_optimizer_the_lines_take_steps_with_few_numbers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, count = STEPS[name]
    optimizer: Any = Stepping(change)
    report = check_optimizer(optimizer, normal(5), normal(5), rng=rng())
    assert [each.law for each in report.failures if each.law == "follows_gradient"]
    names: dict[str, Any] = {"init": optimizer.init, "step": optimizer.step}
    exec(report.example, names)  # noqa: S102  # the lines that the report gives to paste
    assert len(names["params"]) == count
    down, still = names["moved"](names["grads"]), names["moved"](0 * names["grads"])
    if name == "along the gradient":
        assert (np.sign(down) == np.sign(names["grads"])).all()
    elif name == "by the mean of all gradients":
        assert down[names["grads"] == 0].all()
    else:
        assert (np.sign(still) == np.sign(names["params"])).all()
    assert capsys.readouterr().out.count("[") == 3


def test_a_report_keeps_no_point_and_json_has_none() -> None:
    report = check_layer(Layer(forward_of_tanh, last_row_twice), (), normal(6, 3), rng=rng())
    assert all(each.point is None for each in report.verdicts)
    assert '"point"' not in report.to_json()


def test_of_a_network_the_lines_show_the_layer_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    layer = Layer(forward_of_tanh, last_row_twice, name="last_row_twice")
    network = sequential(affine, layer, affine)
    params = (Affine.init(rng(), 4, 3, dtype=np.float64), (), Affine.init(rng(), 3, 2, dtype=np.float64))
    report = check_layer(network, params, normal(6, 4), rng=rng(), only=["derivative"])
    assert report.example.startswith("# Layer(last_row_twice), in layer 2 of 3\nimport numpy as np\nx = np.array([[")
    got, expected = printed(report, {"forward": layer.forward, "backward": layer.backward}, capsys)
    assert got == pytest.approx(2 * expected, rel=1e-5)


def test_of_a_network_whose_layers_are_right_the_lines_show_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    line = sequential(affine, affine)

    def backward(cache: Any, dout: Array) -> Any:
        dx, grads = line.backward(cache, dout)
        return 2 * dx, grads

    network = Layer(line.forward, backward, parts=line.parts)
    params = (Affine.init(rng(), 4, 3, dtype=np.float64), Affine.init(rng(), 3, 2, dtype=np.float64))
    report = check_layer(network, params, normal(6, 4), rng=rng(), only=["derivative"])
    names = {"forward": network.forward, "backward": network.backward, "Affine": Affine}
    got, expected = printed(report, names, capsys)
    assert got == pytest.approx(2 * expected, rel=1e-5)


def test_one_entry_of_a_large_matrix_that_is_off_by_a_millionth_is_shown_by_arrays_that_are_drawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Affine]:
        dx, grads = affine.backward(cache, dout)
        W = grads.W.copy()
        if W.shape[0] > 17 and W.shape[1] > 301:
            W[17, 301] *= 1 + 1e-6
        return dx, Affine(W, grads.b)

    layer = Layer(affine.forward, backward)
    report = check_layer(layer, Affine(normal(128, 768), normal(768)), normal(8, 128), rng=rng(), only=["derivative"])
    assert "np.random.default_rng(" in report.example
    names = {"forward": affine.forward, "backward": backward, "Affine": Affine}
    got, expected = printed(report, names, capsys)
    assert got == pytest.approx(expected * (1 + 1e-6), rel=1e-7)
