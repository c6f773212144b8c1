"""Lines that show a fault of memory, state, rows, layouts or structure: run on a fresh layer or loss, they show it."""

import gc
import os
import warnings
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from broken import AFFINE, DERIVATIVE, ELEMENTWISE, LOSS_DERIVATIVE, LOSSES, TOO_SMALL, WITHOUT, Broken
from chainrule import (
    Affine,
    Array,
    Encoder,
    Layer,
    Loss,
    Report,
    Unit,
    check_layer,
    check_loss,
    own,
    record,
    softmax,
    softmax_cross_entropy,
)
from chainrule.laws import LAYER_LAWS, LOSS_LAWS
from chainrule.laws.of_layers.memory import clear
from chainrule.laws.showing.demonstrated import OF_LOSSES, PROGRAMS
from chainrule.laws.trials.process import put_back
from chainrule.laws.trials.settings import SETTINGS

SWAMPED = {("gradients that add up over calls", "any_dout"): "a sum of 1e30 hides what each call adds to it"}
"""All that lines can't show on a layer that is made afresh, and why."""


OF_STATE = {("a layer that remembers its last forward", "any_layout"): "what is another is its state, and no layout"}
"""All that lines can't show, as they call a layer for the law alone, and why."""

AFTER_OTHERS = {("gradients that add up over calls", "precision"): "what has added up over the calls of other laws"}
"""The laws that reject a layer after others alone, and why."""

SLIGHT = {"an epsilon in the logarithm": 1e-8}
"""Faults of less than a millionth, and what lines show them to: central differences are right to a billionth."""


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape)


def report_of(layer: Any, params: Any, x: Any, law: str) -> Report:
    return check_layer(layer, params, x, rng=np.random.default_rng(0), only=["structure", law])


@frozen(eq=False)
@record
class Weighted:
    """Targets whose fields have names that lines use for other things."""

    x: Array
    dout: Array


def printed(lines: str, layer: Any) -> list[tuple[Any, ...]]:
    """All that lines print, that are pasted where a layer's author has its functions."""
    found: list[tuple[Any, ...]] = []
    names = {name: getattr(layer, name, None) for name in ("forward", "backward", "grads", "rows")}
    if getattr(getattr(names["grads"], "func", None), "__module__", "") == "chainrule.layer":
        del names["grads"]  # the default, for which its author has no name

    def keep(*values: Any) -> None:
        found.append(values)

    exec(lines, {**names, "Affine": Affine, "Weighted": Weighted, "print": keep})  # noqa: S102  # as pasted
    clear({((7, 11), np.dtype(np.float32))})  # lines about np.empty leave nan in free memory
    return found


def of_broken(subject: Broken, law: str) -> Report:
    """All that one law says of a broken layer or loss, as `broken.report_of` checks it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3)).astype(np.float32)
    if subject in LOSSES:
        return check_loss(subject.make(), x, np.array([0, 2, 1, 1, 2]), rng=rng, only=["loss_structure", law])
    return report_of(subject.make(), Affine.init(rng, 3, 3) if subject in AFFINE else (), x, law)


def laws_of(subject: Broken) -> list[str]:
    """The laws that reject it; of those that compare with the derivative, which share their lines, the first."""
    of_layers = (*DERIVATIVE[1:], "other_sizes") if "derivative" in subject.laws else ()
    of_losses = LOSS_DERIVATIVE[1:] if "loss_derivative" in subject.laws else ()
    laws = subject.laws - {*of_layers, *of_losses}
    return sorted(law for law in laws if (subject.name, law) not in AFTER_OTHERS)


@pytest.mark.parametrize(
    ("subject", "law"),
    [(subject, law) for subject in (*AFFINE, *ELEMENTWISE, *LOSSES) for law in laws_of(subject)],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_law_that_rejects_a_layer_or_loss_gives_lines_that_show_why_on_a_fresh_one(
    subject: Broken, law: str
) -> None:
    report = of_broken(subject, law)
    assert any(verdict.law == law for verdict in report.failures)
    if law in WITHOUT or subject.name in TOO_SMALL or (subject.name, law) in OF_STATE:
        assert report.example == ""
        return
    assert "chainrule" not in report.example
    if "# raises" in report.example:
        error = report.example.rpartition("# raises ")[2].partition(":")[0]
        with pytest.raises(Exception) as raised:  # noqa: PT011  # its type is compared
            printed(report.example, subject.make())
        assert type(raised.value).__name__ == error
        notes = " ".join(verdict.note for verdict in report.failures)
        assert error in notes or "read-only" in str(raised.value)
        return
    with np.errstate(over="ignore"):  # which lines may show
        ((got, *expected),) = printed(report.example, subject.make())
    if (subject.name, law) in SWAMPED:
        assert got == pytest.approx(expected[0])
    elif isinstance(got, float | np.floating):
        rel = SLIGHT.get(subject.name, 1e-6)
        assert all(got != pytest.approx(each, rel=rel, abs=0.0) for each in expected)
    else:
        assert got != expected[0]


def test_each_law_of_layers_and_losses_has_programs_or_is_named_as_one_without() -> None:
    assert {*PROGRAMS, *OF_LOSSES} | {*WITHOUT} == {*LAYER_LAWS, *LOSS_LAWS}
    assert not {*PROGRAMS, *OF_LOSSES} & {*WITHOUT}


# What the lines print is what the verdict says.


def forward_of_relu(params: Unit, x: Array) -> tuple[Array, Array]:
    return np.maximum(x, 0), own(x)


def backward_of_relu(cache: Array, dout: Array) -> tuple[Array, Unit]:
    return np.where(cache > 0, dout, 0).astype(dout.dtype), ()


def test_an_argument_that_is_written_to_is_printed_beside_what_it_was() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        x[x < 0] = 0
        return x.copy(), own(x)

    layer = Layer(forward, backward_of_relu)
    report = report_of(layer, (), normal(6, 3), "arguments_unchanged")
    assert report.failures[0].note == "the call wrote to x"
    ((after, before),) = printed(report.example, layer)
    assert after == 0 > before
    assert "x = np.array([[" in report.example
    assert len(report.example.splitlines()) < 12


def test_a_cache_that_backward_writes_to_is_printed_beside_what_it_was() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return x * x, 2 * x

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        slope = cache.copy()
        cache *= 2
        return slope * dout, ()

    layer = Layer(forward, backward)
    report = report_of(layer, (), normal(6, 3), "arguments_unchanged")
    assert "before = cache.copy()" in report.example
    ((after, before),) = printed(report.example, layer)
    assert after == 2 * before != 0


def test_a_dout_that_backward_writes_to_is_printed_beside_what_it_was() -> None:
    def backward(out: Array, dout: Array) -> tuple[Array, Unit]:
        dout *= 1 - out * out
        return dout, ()

    layer = Layer(lambda params, x: (np.tanh(x), np.tanh(x)), backward)
    report = report_of(layer, (), normal(6, 3), "arguments_unchanged")
    assert "grads(" not in report.example
    ((after, before),) = printed(report.example, layer)
    assert 0 < abs(after) < abs(before)


def test_memory_that_is_not_written_is_full_of_nan_in_the_lines() -> None:
    def backward(x: Array, dout: Array) -> tuple[Array, Unit]:
        dx = np.empty_like(x)
        dx[x > 0] = dout[x > 0]
        return dx, ()

    layer = Layer(lambda params, x: (np.where(x > 0, x, 0), x.copy()), backward)
    report = report_of(layer, (), normal(6, 3), "all_written")
    ((difference, nothing),) = printed(report.example, layer)
    assert np.isnan(difference)
    assert nothing == 0.0


def test_what_calls_before_it_change_is_printed_as_a_difference() -> None:
    last: list[Array] = [np.zeros((1, 1))]

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        last[0] = own(x)
        return x * x, own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return (2 * dout * last[0] if last[0].shape == cache.shape else 2 * dout * cache), ()

    layer = Layer(forward, backward)
    report = report_of(layer, (), normal(6, 3), "repeatability")
    ((difference, nothing),) = printed(report.example, layer)
    assert difference > 0.01
    assert nothing == 0


def test_rows_that_depend_on_each_other_are_printed_alone_and_among_others() -> None:
    layer = Layer(lambda params, x: (x - x.mean(0), ()), lambda cache, dout: (dout - dout.mean(0), ()))
    report = report_of(layer, (), normal(6, 3), "independent_rows")
    ((alone, among),) = printed(report.example, layer)
    assert alone == pytest.approx(0, abs=1e-15)  # a row minus the mean of itself
    assert abs(among) > 0.01
    assert "rows = [0]\n" in report.example


def test_rows_beyond_a_block_are_shown_by_as_many_rows_as_it_takes() -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        dx = 2 * dout * cache
        dx[64:] = 0
        return dx, ()

    layer = Layer(lambda params, x: (x * x, own(x)), backward)
    report = report_of(layer, (), normal(6, 3), "independent_rows")
    ((got, expected),) = printed(report.example, layer)
    assert got == 0 != expected
    assert "65" in report.example


def test_a_layout_that_gives_other_numbers_is_named_in_the_lines() -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return (2 * dout.ravel(order="K").reshape(dout.shape) * cache), ()

    layer = Layer(lambda params, x: (x * x, own(x)), backward)
    report = report_of(layer, (), normal(6, 3), "any_layout")
    ((got, expected),) = printed(report.example, layer)
    assert got != expected
    assert "result(x, np.asfortranarray(dout))[" in report.example


@pytest.mark.parametrize(
    ("axis", "line"),
    [
        (0, "result(x, dout[::-1].copy()[::-1])["),
        (1, "result(x, dout[:, ::-1].copy()[:, ::-1])["),
        (2, "result(x, dout[..., ::-1].copy()[..., ::-1])["),
    ],
)
def test_an_axis_that_is_reversed_in_memory_is_named_in_the_lines(axis: int, line: str) -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        alone = [i for i, stride in enumerate(dout.strides) if stride < 0] == [axis]
        return 2 * cache * (np.flip(dout, axis) if alone else dout), ()

    layer = Layer(lambda params, x: (x * x, own(x)), backward)
    report = report_of(layer, (), normal(6, 4, 3), "any_layout")
    ((got, expected),) = printed(report.example, layer)
    assert got != expected
    assert line in report.example


def test_memory_that_is_shared_is_told_by_numpy() -> None:
    layer = Layer(lambda params, x: (x + 1, ()), lambda cache, dout: (dout, ()))
    report = report_of(layer, (), normal(6, 3), "nothing_shared")
    assert printed(report.example, layer) == [(True, False)]
    assert "np.shares_memory(dx, dout)" in report.example


def test_parameters_in_a_dictionary_that_are_written_to_have_their_names() -> None:
    def forward(params: dict[str, Array], x: Array) -> tuple[Array, Any]:
        params["scale"] *= 2
        return x * params["scale"], (own(x), own(params["scale"]))

    def backward(cache: Any, dout: Array) -> tuple[Array, dict[str, Array]]:
        x, scale = cache
        return dout * scale, {"scale": (x * dout).sum(0)}

    layer = Layer(forward, backward)
    report = report_of(layer, {"scale": normal(3)}, normal(6, 3), "arguments_unchanged")
    ((after, before),) = printed(report.example, layer)
    assert after == 2 * before
    assert "params['scale'].copy()" in report.example


def test_of_an_encoder_rows_are_shown_by_its_two_functions() -> None:
    def weights(words: Any, dtype: Any) -> Array:
        return np.arange(1, len(words) + 1).astype(dtype).reshape(-1, 1)

    def forward(params: dict[str, Array], words: Any) -> tuple[Array, Any]:
        table = params["table"]
        return table[words].sum(1) * weights(words, table.dtype), (own(words), table.shape)

    def grads(cache: Any, dout: Array) -> dict[str, Array]:
        words, shape = cache
        made = np.zeros(shape, dout.dtype)
        np.add.at(made, words, (dout * weights(words, dout.dtype))[:, None])
        return {"table": made}

    encoder = Encoder(forward, grads)
    words = np.array([[0, 1], [1, 1], [2, 3]])
    report = report_of(encoder, {"table": normal(5, 2)}, words, "independent_rows")
    ((got, expected),) = printed(report.example, encoder)
    assert got == pytest.approx(2 * expected)  # the second row counts twice


def test_what_a_layer_sets_for_the_process_is_as_it_was_after_the_search() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        np.seterr(all="raise")
        return forward_of_relu(params, x)

    before = np.geterr()
    layer = Layer(forward, backward_of_relu)
    report = report_of(layer, (), normal(6, 3), "process_unchanged")
    assert np.geterr() == before
    with np.errstate():
        ((after, given),) = printed(report.example, layer)
    assert after != given == before


def test_a_gradient_that_is_nan_far_out_is_shown_there() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return 1 / (1 + np.exp(-x)), own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * np.exp(-cache) / (1 + np.exp(-cache)) ** 2, ()

    layer = Layer(forward, backward)
    report = report_of(layer, (), normal(6, 5), "other_values")
    assert "far = 1000 * np.sign(x)" in report.example
    with np.errstate(all="ignore"):
        assert printed(report.example, layer) == [(True, False)]


def test_a_right_layer_and_a_large_one_have_no_lines() -> None:
    assert report_of(softmax, (), normal(6, 3), "arguments_unchanged").example == ""
    large = Layer(lambda params, x: (x + 1, ()), lambda cache, dout: (dout, ()))
    report = report_of(large, (), normal(2, 2**14), "nothing_shared")
    assert report.failures
    assert report.example == ""


# Losses, whose lines have targets.


def value_of(out: Array, targets: Array) -> Array:
    return np.asarray(((out - targets) ** 2).sum(-1).mean(), out.dtype)


def rows_of(out: Array, targets: Array) -> Array:
    return np.asarray(((out - targets) ** 2).sum(-1))


def slopes_of(cache: tuple[Array, Array], dloss: Any) -> Array:
    out, targets = cache
    return np.asarray(2 * (out - targets) * np.asarray(dloss, out.dtype) / len(out))


def report_of_loss(loss: Loss[Any, Any], targets: Any, law: str) -> Report:
    return check_loss(loss, normal(5, 3), targets, rng=np.random.default_rng(0), only=["loss_structure", law])


def test_a_cache_that_is_the_callers_is_shown_by_the_gradient_and_not_by_the_value_that_is_written_to() -> None:
    loss = Loss(lambda out, targets: (value_of(out, targets), (out, targets)), slopes_of, rows_of)
    report = report_of_loss(loss, normal(5, 3) + 1, "loss_purity")
    assert "out[...] = -2 * out - 0.125" in report.example
    ((after, before),) = printed(report.example, loss)
    assert after != pytest.approx(before)
    right = Loss(lambda out, targets: (value_of(out, targets), (own(out), own(targets))), slopes_of, rows_of)
    ((after, before),) = printed(report.example, right)
    assert after == before


def test_targets_may_be_a_record_with_any_names() -> None:
    def forward(out: Array, targets: Weighted) -> tuple[Array, Any]:
        errors = (out - targets.x) * targets.dout
        return np.asarray((errors**2).sum(-1).mean(), out.dtype), (own(errors), own(targets.dout))

    def backward(cache: tuple[Array, Array], dloss: Any) -> Array:
        errors, weights = cache
        return np.asarray(errors * weights * np.asarray(dloss, errors.dtype) / len(errors))  # without its 2

    def rows(out: Array, targets: Weighted) -> Array:
        return np.asarray((((out - targets.x) * targets.dout) ** 2).sum(-1))

    loss = Loss(forward, backward, rows)
    report = report_of_loss(loss, Weighted(normal(5, 3) + 1, np.abs(normal(5, 3))), "loss_derivative")
    assert "Weighted(x=targets0, dout=targets1)" in report.example
    ((got, expected),) = printed(report.example, loss)
    assert got == pytest.approx(expected / 2, rel=1e-6)


def test_labels_that_are_written_to_are_printed_beside_what_they_were() -> None:
    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        result = softmax_cross_entropy.forward(logits, labels)
        if labels.flags.writeable:
            labels[...] = 0
        return result

    loss = Loss(forward, softmax_cross_entropy.backward, softmax_cross_entropy.rows)
    report = report_of_loss(loss, np.array([0, 2, 1, 1, 2]), "loss_purity")
    ((after, before),) = printed(report.example, loss)
    assert (after, before > 0) == (0, True)
    assert "before = targets.copy()" in report.example


def test_an_error_of_another_place_is_not_shown() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        if len(out) < 2:
            raise ValueError("it takes two rows")
        return value_of(out, targets), (own(out), own(targets))

    def backward(cache: tuple[Array, Array], dloss: Any) -> Array:
        raise ValueError("not yet written")

    loss = Loss(forward, backward, rows_of)
    report = report_of_loss(loss, normal(5, 3) + 1, "loss_derivative")
    assert report.example.endswith("# raises ValueError: not yet written")


def test_of_coupled_rows_the_mean_alone_is_compared() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        return value_of(out, targets) * len(out) / max(len(out) - 1, 1), (own(out), own(targets))

    loss = Loss(forward, slopes_of, rows_of, couples_rows=True)
    report = report_of_loss(loss, normal(5, 3) + 1, "mean_of_rows")
    assert report.example.endswith("print(forward(out, targets)[0], rows(out, targets).mean())")
    ((got, mean),) = printed(report.example, loss)
    assert got == pytest.approx(mean * 2, rel=1e-12)  # of two rows


def test_a_loss_that_sets_the_environment_is_shown_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", "0")

    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        os.environ["SEEN"] = "1"
        return softmax_cross_entropy.forward(logits, labels)

    loss = Loss(forward, softmax_cross_entropy.backward, softmax_cross_entropy.rows)
    report = report_of_loss(loss, np.array([0, 2, 1, 1, 2]), "loss_state")
    now, before = "dict(os.environ)", "before"
    shown = [f"{{k: v for k, v in {a}.items() if v != {b}.get(k)}}" for a, b in ((now, before), (before, now))]
    assert report.example.endswith(f"print({shown[0]}, {shown[1]})")


def _sets_environment() -> None:
    os.environ["SEEN"] = "1"


def _sets_printing() -> None:
    np.set_printoptions(precision=3)


def _sets_filters() -> None:
    warnings.filterwarnings("ignore", "what is seen")


def _seeds() -> None:
    np.random.seed(0)  # that is the fault


PRINTED = {
    "the environment": (_sets_environment, "{'SEEN': '1'} {}"),
    "numpy.get_printoptions": (_sets_printing, "{'precision': 3} {'precision': 8}"),
    "the filters of warnings": (_sets_filters, "[('ignore', re.compile('what is seen', re.IGNORECASE), <class"),
    "the state of numpy.random": (_seeds, "(0, 624) ("),
}


@pytest.mark.parametrize("name", PRINTED)
def test_of_a_setting_that_a_call_changes_no_more_is_printed_than_what_differs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET", "password")
    monkeypatch.delenv("SEEN", raising=False)
    sets, printed_first = PRINTED[name]

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        sets()
        return 2 * cache * dout, ()

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return x * x, own(x)

    report = report_of(Layer(forward, backward), (), normal(6, 3), "process_unchanged")
    assert report.failures[0].field == name
    with put_back(), np.printoptions():
        exec(report.example, {"forward": forward, "backward": backward})  # noqa: S102  # lines that it made
    out = capsys.readouterr().out
    assert out.startswith(printed_first)
    assert "password" not in out
    assert len(out) < 200


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_of_the_process_can_be_shown_and_reads_as_its_code(name: str) -> None:
    setting = SETTINGS[name]
    if setting.imported == "import torch":
        pytest.importorskip("torch")
    names: dict[str, Any] = {"np": np}
    exec(setting.imported, names)  # noqa: S102  # lines of our own
    shown = [eval(setting.code, names) for _ in range(2)]  # noqa: S307  # code of our own
    assert shown[0] == shown[1]
    assert setting.read() == setting.read()


def test_a_call_that_stops_the_garbage_collector_is_shown_to() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        gc.disable()
        return 2 * x, own(x)

    gc.enable()  # which a test that runs dask in this process leaves off
    report = report_of(Layer(forward, lambda cache, dout: (2 * dout, ())), (), normal(6, 3), "process_unchanged")
    assert "gc.isenabled()" in report.example
    assert gc.isenabled()


def test_an_out_that_is_no_array_is_shown() -> None:
    def forward(params: Any, x: Array) -> Any:
        return (x, np.ones(3)), x.copy()

    layer: Layer[Any, Any] = Layer(forward, lambda cache, dout: (dout, ()))
    report = check_layer(layer, (), np.ones((4, 5)), rng=np.random.default_rng(0))
    assert "forward must return (out, cache) with an array for out, got (a tuple of 2, f64[4, 5])" in str(report)
    assert "out, cache = forward((), x)" in report.example
