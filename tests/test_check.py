import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from broken import AFFINE, ELEMENTWISE, LOSS_DERIVATIVE, LOSSES, OPTIMIZERS, TOO_SMALL, WITHOUT, Broken, report_of
from catalogue import ENCODERS, LAYERS, OTHERS, PARTLY_FIXED, Subject
from chainrule import (
    Affine,
    Array,
    Layer,
    Loss,
    Unit,
    Weighted,
    add,
    affine,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    identity,
    laws,
    own,
    read_only,
    residual,
    sequential,
    sgd,
    sigmoid,
    softmax_cross_entropy,
    tree,
    two_layer,
    weighted,
)
from chainrule.laws import LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS, derivative
from chainrule.parts import Around, Fork
from strategies import Floating, dtypes, few, fewer, generators, once, sides
from untyped import untyped

PAGE = (Path(__file__).parents[1] / "docs" / "checking.md").read_text("utf-8")
ALL = [*AFFINE, *ELEMENTWISE, *LOSSES, *OPTIMIZERS]


def in_turn(subjects: list[Subject]) -> list[Any]:
    """Each subject with one of the dtypes: a whole check tries the others by itself."""
    dtypes = (np.float64, np.float32, np.float16)
    each_with = [(subject, dtypes[i % len(dtypes)]) for i, subject in enumerate(subjects)]
    return [pytest.param(subject, dtype, id=f"{subject.name}-{dtype.__name__}") for subject, dtype in each_with]


@pytest.mark.parametrize("subject", ALL, ids=lambda s: s.name)
def test_broken_subjects_are_rejected_by_exactly_the_laws_that_they_break(subject: Broken) -> None:
    report = report_of(subject)
    assert not report.ok
    assert {verdict.law for verdict in report.failures} == subject.laws, str(report)
    if subject not in OPTIMIZERS:
        assert bool(report.example) == (not subject.laws <= {*WITHOUT} and subject.name not in TOO_SMALL), str(report)


MEET = {
    "loss_linearity": ({"loss_values"}, "every `dloss` is tried there, a random one and 0 among them"),
}
"""Laws that no subject breaks alone, with those that it necessarily breaks as well, and why."""


@pytest.mark.parametrize("law", [*LAYER_LAWS, *LOSS_LAWS, *OPTIMIZER_LAWS])
def test_every_law_is_needed(law: str) -> None:
    others, _ = MEET.get(law, (set[str](), ""))
    assert any(subject.laws == {law, *others} for subject in ALL), f"no broken subject is rejected by {law} alone"


def test_the_page_on_checks_says_which_laws_meet() -> None:
    listed = re.findall(r"^\| `(\w+)` \| with `(\w+)`: (.*) \|$", PAGE, re.MULTILINE)
    assert listed == [(law, other, reason) for law, (others, reason) in MEET.items() for other in others]


def test_the_page_on_checks_lists_every_law() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (?!with )", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in laws.__all__ if not name.isupper())


@pytest.mark.parametrize(("subject", "dtype"), in_turn([*LAYERS, *PARTLY_FIXED, *ENCODERS])[::4])
def test_right_layers_are_accepted_and_nothing_is_undecided(subject: Subject, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params, x = subject.make(rng, 5, dtype)
    report = check_layer(subject.layer, params, x, rng=rng)
    assert report.ok, str(report)
    assert not report.undecided, str(report)


@fewer
@given(rng=generators, n=sides, k=sides, dtype=dtypes)
def test_right_losses_optimizers_and_networks_are_accepted(
    rng: np.random.Generator, n: int, k: int, dtype: Floating
) -> None:
    params = two_layer.init(rng, 4, 3, k, std=0.5, dtype=dtype)
    x, labels = rng.standard_normal((n, 4)).astype(dtype), rng.integers(0, k, n)
    for targets in (labels, np.eye(k)[labels]):
        report = check_network(two_layer.network, softmax_cross_entropy, params, x, targets, rng=rng)
        assert report.ok, str(report)
    grads = two_layer.gradient(params, x, labels)
    assert check_optimizer(sgd(0.1), params, grads, rng=rng).ok


@pytest.mark.parametrize(("subject", "dtype"), in_turn([each for each in OTHERS if each.laws is OPTIMIZER_LAWS]))
@once
@given(rng=generators, n=sides)
def test_right_optimizers_are_accepted_and_nothing_is_undecided(
    subject: Subject, dtype: Any, rng: np.random.Generator, n: int
) -> None:
    report = check_optimizer(subject.layer, *subject.make(rng, n, dtype), rng=rng)
    assert report.ok, str(report)
    assert not report.undecided, str(report)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dW transposed", "it is the transpose"),
        ("dx by W and not its transpose", "it is a product with the weights where their transpose belongs"),
        ("dx has the wrong sign", "the sign is wrong"),
        ("dx is twice too large", "it is twice what it should be"),
        ("dx is zero", "it is 0: was it computed?"),
        ("dW is a mean over the batch", "it is 5 times too small, the number of rows: a mean for a sum?"),
        ("dout is ignored", "it is the same for every dout: was dout ignored?"),
        ("something is added to a zero gradient", "it is not 0 for dout = 0"),
        ("one entry wrong by one part in a billion", "1 of 9 entries are wrong, the others are right"),
        ("the callers x is cached", "the cache shares the memory of x"),
        ("relu that writes into dout", "the call wrote to dout"),
        ("a layer that remembers its last forward", "is something stored outside the cache?"),
        ("rows are centred and nobody is told", "say couples_rows=True"),
        ("float64 constants promote float32", "is f64[5, 3], expected f32[5, 3]"),
        ("grads in a dictionary", "grads must have the type and fields of params: Affine, got dict"),
        ("forward returns the output alone", "forward must return (out, cache)"),
        ("backward raises", "raised ValueError"),
        ("dloss is ignored", "it is the same for every dloss: was it ignored?"),
        ("a sum for a mean", "the loss is not the mean of its rows: a sum?"),
    ],
)
def test_reports_say_where_to_look(name: str, hint: str) -> None:
    (subject,) = (each for each in ALL if each.name == name)
    assert hint in str(report_of(subject))


def test_a_report_names_law_field_place_and_both_numbers() -> None:
    (subject,) = (each for each in ALL if each.name == "one entry wrong by one part in a billion")
    report = report_of(subject)
    (verdict,) = report.failures
    assert (verdict.law, verdict.field, verdict.index) == ("derivative", "grads.W", (1, 2))
    assert verdict.got == pytest.approx(verdict.expected * (1 + 1e-9), rel=1e-13)
    assert f"grads.W[1, 2] is {verdict.got:.12g}, expected {verdict.expected:.12g}" in str(report)
    assert str(report).endswith(f"{len(report.verdicts) - 1} of {len(report.verdicts)} hold")


def test_a_report_of_what_is_right_says_so() -> None:
    rng = np.random.default_rng(0)
    report = check_optimizer(sgd(0.1), rng.standard_normal(3), rng.standard_normal(3), rng=rng)
    assert str(report).endswith(f"all {len(report.verdicts)} hold")
    assert not report.failures


@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
@few
@given(rng=generators, n=sides)
def test_one_part_in_a_billion_is_seen_in_any_entry(subject: Subject, rng: np.random.Generator, n: int) -> None:
    params, x = subject.make(rng, n, np.float64)

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        leaves = [leaf.copy() for leaf in tree.leaves(subject.layer.backward(cache, dout))]
        large = np.argwhere(np.abs(leaves[which]) >= 0.01 * np.abs(leaves[which]).max())
        leaves[which][tuple(large[entry % len(large)])] *= 1 + 1e-9
        dx, grads = tree.replace((x, params), leaves)
        return dx, grads

    entry, which = int(rng.integers(2**16)), int(rng.integers(len(tree.leaves((x, params)))))
    wrong = Layer(subject.layer.forward, backward)
    verdicts = derivative(wrong, params, x, rng)
    out, cache = subject.layer.forward(params, x)
    dout: Array = rng.standard_normal(np.shape(out))
    right = tree.leaves(subject.layer.backward(cache, dout))[which]
    assert [verdict.ok for verdict in verdicts].count(False) == (1 if right.any() else 0)


@pytest.mark.parametrize(("subject", "dtype"), in_turn([each for each in OTHERS if each.laws is LOSS_LAWS]))
def test_losses_are_right_and_nothing_is_undecided(subject: Subject, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    report = check_loss(subject.layer, *subject.make(rng, 5, dtype), rng=rng)
    assert report.ok, str(report)
    assert not report.undecided, str(report)


def test_rows_of_a_loss_that_depend_on_each_other_are_rejected_unless_it_says_so() -> None:
    rng = np.random.default_rng(0)
    says, out = weighted(softmax_cross_entropy), rng.standard_normal((5, 3))
    targets = Weighted(np.array([0, 1, 2, 0, 1]), np.array([1.0, 0.5, 2.0, 0.0, 1.0]))
    assert check_loss(says, out, targets, rng=rng).ok
    silent = Loss(says.forward, says.backward, says.rows)
    assert {verdict.law for verdict in check_loss(silent, out, targets, rng=rng).failures} == {"mean_of_rows"}
    doubled = Loss(says.forward, says.backward, lambda out, targets: 2 * says.rows(out, targets), couples_rows=True)
    assert {verdict.field for verdict in check_loss(doubled, out, targets, rng=rng).failures} == {"loss"}


def test_soft_labels_whose_loss_takes_the_likeliest_alone_are_rejected() -> None:
    def forward(logits: Array, targets: Array) -> tuple[Array, Any]:
        _, cache = softmax_cross_entropy.forward(logits, targets)
        return softmax_cross_entropy.forward(logits, targets.argmax(axis=1))[0], cache

    rng = np.random.default_rng(0)
    targets = np.full((5, 3), 0.25)
    targets[:, 1] = 0.5
    wrong = Loss(forward, softmax_cross_entropy.backward, softmax_cross_entropy.rows)
    report = check_loss(wrong, rng.standard_normal((5, 3)), targets, rng=rng)
    assert {verdict.law for verdict in report.failures} == {*LOSS_DERIVATIVE, "mean_of_rows"}


def absolute(slope_at_0: float) -> Layer[Unit, Array]:
    """|x|, with a derivative at 0 of one's own."""

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return np.abs(x), own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * np.where(cache == 0, slope_at_0, np.sign(cache)).astype(dout.dtype), ()

    return Layer(forward, backward)


@pytest.mark.parametrize("kinks", [1, 12])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, -1.0, 2.0, -1.5])
def test_at_a_kink_every_slope_between_those_of_its_sides_is_right_and_no_other(slope: float, kinks: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3))
    x.flat[:kinks] = 0.0
    report = check_layer(absolute(slope), (), x, rng=rng)
    if abs(slope) <= 1:
        assert report.ok, str(report)
    else:
        assert "derivative" in {verdict.law for verdict in report.failures}


def roots() -> Layer[Unit, Array]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        out = read_only(np.sqrt(x))
        return out, out

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout / np.where(cache == 0, np.inf, 2 * cache).astype(dout.dtype), ()

    return Layer(forward, backward)


def test_where_no_derivative_is_finite_the_derivative_is_undecided_and_nothing_fails() -> None:
    report = check_layer(roots(), (), np.zeros((4, 3)), rng=np.random.default_rng(0))
    assert not report.ok
    assert not report.failures, str(report)
    assert {verdict.law for verdict in report.undecided} == {"derivative"}
    assert "cannot tell derivative" in str(report)
    assert "choose another x" in str(report)


def test_very_large_arrays_are_sampled() -> None:
    rng = np.random.default_rng(0)
    params, x = Affine.init(rng, 100, 60, dtype=np.float64), rng.standard_normal((3, 100))
    verdicts = derivative(affine, params, x, rng)
    assert all(verdict.ok for verdict in verdicts)
    assert [verdict.note for verdict in verdicts] == [
        "",
        "4096 of 6000 entries were tried one by one, all along 8 directions",
        "",
    ]


def test_gradients_of_another_structure_are_rejected() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return affine.forward(params[0], x)[0], affine.forward(params[0], x)[1]

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, grads = affine.backward(cache, dout)
        return dx, ((), grads)

    rng = np.random.default_rng(0)
    report = check_layer(
        Layer(forward, backward), (Affine.init(rng, 3, 2), ()), rng.standard_normal((4, 3)).astype(np.float32), rng=rng
    )
    assert "trees differ at [0]: Affine and a tuple of 0" in str(report)


def test_grads_is_checked_in_its_own_dtype() -> None:
    def grads(cache: Any, dout: Array) -> Any:
        made = affine.grads(cache, dout)
        return tree.map(lambda leaf: leaf.astype(np.float64), made)

    rng = np.random.default_rng(0)
    wrong = Layer(affine.forward, affine.backward, grads)
    report = check_layer(wrong, Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32), rng=rng)
    assert {verdict.field for verdict in report.failures} == {"grads().W", "grads().b"}


def test_a_cache_that_is_read_for_its_signs_alone_is_rejected_too() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return np.maximum(x, 0), x

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return np.where(cache > 0, dout, 0), ()

    rng = np.random.default_rng(0)
    report = check_layer(Layer(forward, backward), (), rng.random((4, 3)) + 0.1, rng=rng)
    assert {verdict.law for verdict in report.failures} == {"ownership"}


def test_what_is_checked_is_never_written_to() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        out -= out.max()
        return softmax_cross_entropy.forward(out, targets)

    rng = np.random.default_rng(0)
    out, labels = rng.standard_normal((5, 3)), np.array([0, 1, 2, 0, 1])
    before = out.copy()
    wrong = Loss(forward, softmax_cross_entropy.backward, softmax_cross_entropy.rows)
    assert not check_loss(wrong, out, labels, rng=rng).ok
    np.testing.assert_array_equal(out, before)


def weighted_squares() -> Loss[Any, Any]:
    """A loss whose targets are a tuple: values, and a weight for each row."""

    def rows(out: Array, targets: Any) -> Array:
        values, weights = targets
        losses: Array = weights * ((out - values) ** 2).sum(axis=1)
        return losses

    def forward(out: Array, targets: Any) -> tuple[Array, Any]:
        return np.asarray(rows(out, targets).mean(), out.dtype), own(2 * targets[1][:, None] * (out - targets[0]))

    def backward(cache: Array, dloss: Any) -> Array:
        return cache * (float(dloss) / len(cache))

    return Loss(forward, backward, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_with_float_targets_and_weights_are_accepted(dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    params, x = Affine.init(rng, 3, 2, dtype=dtype), rng.standard_normal((5, 3)).astype(dtype)
    targets = rng.standard_normal((5, 2)).astype(dtype), rng.random(5).astype(dtype)
    report = check_network(affine, weighted_squares(), params, x, targets, rng=rng)
    assert report.ok, str(report)
    assert "a sum?" not in str(report)


def test_mistakes_of_the_caller_are_raised() -> None:
    rng, x = np.random.default_rng(0), np.ones((2, 3))
    with pytest.raises(TypeError, match="check_layer: the subject must be a Layer or an Encoder, got method"):
        check_layer(untyped(affine.forward), (), x, rng=rng)
    with pytest.raises(TypeError, match="check_network: the subject must be a Layer or an Encoder, got method"):
        check_network(untyped(affine.forward), softmax_cross_entropy, (), x, x, rng=rng)
    with pytest.raises(TypeError, match="check_loss: the subject must be a Loss, got Layer"):
        check_loss(untyped(affine), x, x, rng=rng)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got int"):
        check_layer(affine, Affine.init(rng, 3, 2), x, rng=untyped(0))
    with pytest.raises(TypeError, match=r"check_layer: x must be a NumPy array, got list: convert it with np.asarray"):
        check_layer(affine, Affine.init(rng, 3, 2), untyped(x.tolist()), rng=rng)
    with pytest.raises(TypeError, match=r"check_loss: out must be a NumPy array, got list: convert it with np.asarray"):
        check_loss(softmax_cross_entropy, untyped(x.tolist()), np.array([0, 1]), rng=rng)
    with pytest.raises(TypeError, match=r"check_loss: targets must be a NumPy array, got list"):
        check_loss(softmax_cross_entropy, x, untyped([0, 1]), rng=rng)
    with pytest.raises(TypeError, match=r"check_optimizer: optimizer must have init and step, as .* got function"):
        check_optimizer(untyped(sgd), x, x, rng=rng)
    with pytest.raises(ValueError, match=r"check_optimizer: grads must be like params: trees differ at the root"):
        check_optimizer(sgd(0.1), untyped((x,)), untyped(x), rng=rng)
    with pytest.raises(ValueError, match=r"check_optimizer: grads must be like params: f64\[3\] for f64\[2, 3\]"):
        check_optimizer(sgd(0.1), x, x[0], rng=rng)


@pytest.mark.parametrize("only", [["process_unchanged"], ["process_unchanged", "structure"]])
def test_a_layer_that_raises_is_said_to_once(only: list[str]) -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        if (x > 0).any():
            raise RuntimeError("no positive numbers")
        return x, own(x)

    layer, rng = Layer(forward, lambda cache, dout: (dout, ())), np.random.default_rng(0)
    report = check_layer(layer, (), np.ones((2, 3)), rng=rng, only=only)
    assert [verdict.note.startswith("raised RuntimeError") for verdict in report.failures] == [True]


def doubled_at(field: str) -> Layer[Affine, Any]:
    """An affine layer one of whose derivatives is twice what it should be."""

    def backward(cache: Any, dout: Array) -> tuple[Array, Affine]:
        dx, grads = affine.backward(cache, dout)
        return (2 * dx, grads) if field == "dx" else (dx, Affine(2 * grads.W, grads.b))

    return Layer(affine.forward, backward)


def doubled(cache: Any, dout: Array) -> tuple[Array, Unit]:
    return 2 * sigmoid.backward(cache, dout)[0], ()


def test_the_layer_of_a_network_that_is_wrong_is_named() -> None:
    rng = np.random.default_rng(0)
    wrong = Layer(sigmoid.forward, doubled, name="bent")
    network = sequential(affine, residual(sequential(affine, wrong)), affine)
    sides = (4, 3), (3, 3), (3, 2)
    first, second, third = (Affine.init(rng, *side, dtype=np.float64) for side in sides)
    params = first, (second, ()), third
    x, labels = rng.standard_normal((5, 4)), np.array([0, 1, 0, 1, 1])
    report = check_network(network, softmax_cross_entropy, params, x, labels, rng=rng)
    assert {"derivative", "network_gradient"} <= {verdict.law for verdict in report.failures}
    for verdict in report.failures:
        place = "he fault is in layer 2 of 2 in layer 2 of 3, Layer(bent)"  # which begins a sentence after a question
        assert verdict.note == f"t{place}" or verdict.note.endswith((f": t{place}", f"? T{place}")), verdict
    assert "out, cache = forward(" in report.example


def skip(f: Layer[Any, Any], back: Callable[[Array, Array], Array]) -> Layer[Any, Any]:
    """The layer x + f(x) by hand, whose dx is made of dout and that of f."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        out, cache = f.forward(params, x)
        return x + out, cache

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, grads = f.backward(cache, dout)
        return back(dout, dx), grads

    return Layer(forward, backward, name="skip", parts=Around(f, skip=True))


OF_JOINT = "Layer(skip(sigmoid)), though the layers in it are right"

SKIPS: dict[str, tuple[Layer[Any, Any], Callable[[Array, Array], Array], str]] = {
    "no dx of the skip": (sigmoid, lambda dout, dx: dx, OF_JOINT),
    "twice that of the layer": (sigmoid, lambda dout, dx: dout + 2 * dx, OF_JOINT),
    "the layer itself": (Layer(sigmoid.forward, doubled, name="bent"), lambda dout, dx: dout + dx, "Layer(bent)"),
}
"""Layers, how the dx of a skip around each is made of dout and of its own, and what the report names."""


@pytest.mark.parametrize(("part", "back", "named"), SKIPS.values(), ids=SKIPS)
def test_a_layer_that_puts_right_layers_together_wrongly_is_named(
    part: Layer[Any, Any], back: Callable[[Array, Array], Array], named: str
) -> None:
    rng = np.random.default_rng(0)
    network = sequential(affine, add(identity, skip(part, back)))
    params, x = (Affine.init(rng, 4, 3, dtype=np.float64), ((), ())), rng.standard_normal((5, 4))
    report = check_layer(network, params, x, rng=rng, only=["derivative"])
    assert report.failures
    for verdict in report.failures:
        assert verdict.note.endswith(f"he fault is in branch 2 of 2 in layer 2 of 2, {named}"), verdict
    report = check_layer(sequential(skip(part, back)), ((),), x, rng=rng, only=["derivative"])
    assert report.failures
    for verdict in report.failures:
        assert verdict.note.endswith(f"he fault is in layer 1 of 1, {named}"), verdict


def test_of_a_fork_by_hand_with_right_branches_the_fork_is_named() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return x - sigmoid.forward((), x)[0], sigmoid.forward((), x)[1]

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        return dout + sigmoid.backward(cache, dout)[0], ((), ())

    x = np.random.default_rng(0).standard_normal((5, 4))
    fork = Layer(forward, backward, name="difference", parts=Fork((identity, sigmoid), "-"))
    (verdict,) = check_layer(fork, ((), ()), x, rng=np.random.default_rng(0), only=["derivative"]).failures
    assert verdict.note == "the fault is in Layer(difference(identity, sigmoid)), though the layers in it are right"


def test_the_branch_that_is_wrong_is_named_and_a_layer_that_raises_has_said_where() -> None:
    rng = np.random.default_rng(0)
    wrong = Layer(sigmoid.forward, doubled, name="bent")
    report = check_layer(add(identity, wrong), ((), ()), rng.standard_normal((5, 3)), rng=rng)
    assert report.failures[0].note.endswith("the fault is in branch 2 of 2, Layer(bent)")
    report = check_layer(
        sequential(identity, affine), ((), Affine.init(rng, 4, 2)), rng.standard_normal((5, 3)), rng=rng
    )
    (failure,) = report.failures
    assert "in layer 2 of 2" in failure.note
    assert "the fault is" not in failure.note


def test_the_report_of_a_loss_speaks_of_out_and_of_no_x() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(np.mean((out - targets) ** 2)), out - targets

    def backward(errors: Array, dloss: float) -> Array:
        return np.asarray(errors * (errors.dtype.type(dloss) / errors.size))  # the 2 is missing

    halved: Any = Loss(untyped(forward), untyped(backward), lambda out, targets: ((out - targets) ** 2).mean(-1))
    rng = np.random.default_rng(0)
    report = check_loss(halved, rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng=rng)
    notes = {verdict.law: verdict.note for verdict in report.failures}
    assert notes["loss_values"].startswith("for out a thousandth as large: it is half of what it should be")
    assert {verdict.field for verdict in report.verdicts}.isdisjoint({"x", "dx", "params"})


def test_a_number_that_an_optimizer_leaves_out_is_named_in_the_users_own_parameters() -> None:
    descent = sgd(0.1)

    class Skips:
        def init(self, params: Affine) -> Any:
            return descent.init(params)

        def step(self, state: Any, params: Affine, grads: Affine) -> tuple[Affine, Any]:
            W = grads.W.copy()
            W[-1] = 0
            return descent.step(state, params, Affine(W, grads.b))

    rng = np.random.default_rng(0)
    params, grads = (Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)) for _ in range(2))
    found = check_optimizer(Skips(), params, grads, rng=rng).failures
    (wrong,) = [verdict for verdict in found if verdict.law == "follows_gradient"]
    assert wrong.field == "params.W"
    assert wrong.note.endswith("against its gradient: the last row is wrong, the others are right")


@pytest.mark.parametrize("block", [64, 128, 512])
def test_rows_beyond_a_block_are_told(block: int) -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, int]:
        return 2 * x, len(x)

    def backward(rows: int, dout: Array) -> tuple[Array, Unit]:
        return 2 * dout * (np.arange(rows) < block).astype(dout.dtype)[:, None], ()

    rng = np.random.default_rng(0)
    (failure,) = check_layer(Layer(forward, backward), (), rng.standard_normal((6, 4)), rng=rng).failures
    assert failure.law == "independent_rows"
    assert failure.note.endswith(f"rows its rows from {block} on are others")


@pytest.mark.parametrize("field", ["dx", "grads.W"])
def test_zeros_for_x_and_parameters_hide_nothing(field: str) -> None:
    params, x, rng = Affine(np.zeros((3, 2)), np.zeros(2)), np.zeros((4, 3)), np.random.default_rng(0)
    assert check_layer(affine, params, x, rng=rng).ok
    found = check_layer(doubled_at(field), params, x, rng=rng).failures
    assert {(verdict.law, verdict.field) for verdict in found} == {("other_values", field)}


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_of_an_x_without_entries_nothing_can_be_told(shape: tuple[int, ...]) -> None:
    square = Layer(lambda params, x: (x * x, own(x)), lambda x, dout: (x * dout, ()))
    report = check_layer(square, (), np.ones(shape), rng=np.random.default_rng(0))
    assert not report.ok
    assert [(verdict.law, verdict.field) for verdict in report.undecided] == [("derivative", "dx")]
    assert f"out has shape {shape} for an x of shape {shape}" in report.undecided[0].note
    assert not report.failures


ONES = np.ones((2, 3))

WHOLE_NUMBERS = (
    "check_layer: params must be an array of floats, got i64[2]: bind what has no derivative to the functions, "
    "as with functools.partial"
)

REFUSED: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "a layer for a loss": (check_loss, (identity, ONES, ONES), "check_loss: the subject must be a Loss, got Layer"),
    "a loss for a layer": (
        check_layer,
        (softmax_cross_entropy, (), ONES),
        "check_layer: the subject must be a Layer or an Encoder, got Loss",
    ),
    "a number for a network": (
        check_network,
        (3.0, softmax_cross_entropy, (), ONES, ONES),
        "check_network: the subject must be a Layer or an Encoder, got float",
    ),
    "a number for the loss of a network": (
        check_network,
        (identity, 3.0, (), ONES, ONES),
        "check_network: the subject must be a Loss, got float",
    ),
    "a list for x of a network": (
        check_network,
        (identity, softmax_cross_entropy, (), [1.0], ONES),
        "check_network: x must be a NumPy array, got list: convert it with np.asarray",
    ),
    "a list for the targets of a network": (
        check_network,
        (identity, softmax_cross_entropy, (), ONES, [0, 1]),
        "check_network: targets must be a NumPy array, got list: convert it with np.asarray",
    ),
    "a function for an optimizer": (
        check_optimizer,
        (sgd, ONES, ONES),
        "check_optimizer: optimizer must have init and step, as sgd(0.1) has, got function",
    ),
    "gradients of another shape": (
        check_optimizer,
        (sgd(0.1), ONES, ONES[:1]),
        "check_optimizer: grads must be like params: f64[1, 3] for f64[2, 3]",
    ),
    "whole numbers for parameters": (check_layer, (identity, np.ones(2, np.int64), ONES), WHOLE_NUMBERS),
    "a list for x": (
        check_layer,
        (identity, (), [1.0]),
        "check_layer: x must be a NumPy array, got list: convert it with np.asarray",
    ),
    "a list for targets": (
        check_loss,
        (softmax_cross_entropy, ONES, [[1.0]]),
        "check_loss: targets must be a NumPy array, got list: convert it with np.asarray",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_one_sentence(name: str) -> None:
    check, arguments, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError)) as refused:
        check(*arguments, rng=np.random.default_rng(0))
    assert str(refused.value) == words


def test_a_law_that_is_none_is_said_with_all_that_there_are() -> None:
    with pytest.raises(ValueError, match="is none of its laws") as refused:
        check_layer(identity, (), ONES, rng=np.random.default_rng(0), only=["loss_values"])
    every = ", ".join(LAYER_LAWS)
    assert str(refused.value) == f"check_layer: only='loss_values' is none of its laws, which are {every}"


def test_where_x_is_not_finite_nothing_is_asked() -> None:
    x = ONES.copy()
    x[1, 2] = np.nan
    report = check_layer(identity, (), x, rng=np.random.default_rng(0))
    (verdict,) = report.verdicts
    assert (verdict.law, verdict.field, verdict.undecided) == ("derivative", "x", True)
    words = "nothing can be compared where results are no numbers: give finite numbers"
    assert verdict.note == f"there is nan in x[1, 2]: {words}"
    x[0] = np.inf
    (verdict,) = check_optimizer(sgd(0.1), ONES, x, rng=np.random.default_rng(0)).verdicts
    assert (verdict.law, verdict.field, verdict.undecided) == ("follows_gradient", "grads", True)
    assert verdict.note == f"there is inf in grads[0, 0] and 3 more of its entries: {words}"
