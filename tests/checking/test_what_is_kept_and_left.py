"""Things that a layer keeps for good, that only part of an array has at some size or in some dtype, and no faults."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalogue import LAYERS
from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Convolution,
    Layer,
    LayerNorm,
    Loss,
    PRelu,
    adam,
    affine,
    batch_norm,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    convolution,
    global_mean_pool,
    layer_norm,
    mean_squared_error,
    own,
    prelu,
    relu,
    rules,
    sequential,
    sgd,
    softmax_cross_entropy,
)
from chainrule.checking.complex_step import Lifted, lift
from chainrule.checking.report import Report

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng
X = RNG(7).standard_normal((5, 4))


@pytest.fixture(autouse=True)
def overflow_is_let_pass() -> Any:
    """Layers of a user's own overflow where laws go."""
    with np.errstate(all="ignore"):
        yield


def notes(report: Report, law: str) -> set[tuple[str, str]]:
    """The fields and the words of what a law finds wrong."""
    return {(each.field, each.note) for each in report.failures if each.law == law}


def latched(seen: Callable[[Array], bool]) -> Layer[Any, Any]:
    """`x` until something has been seen, and then three times as much for good."""
    kept: list[bool] = []

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        if seen(x):
            kept.append(True)
        factor = x.dtype.type(3 if kept else 1)
        return x * factor, factor

    return Layer(forward, lambda factor, dout: (dout * factor, ()))


def is_single(x: Array) -> bool:
    return bool(x.dtype == np.float32)


def has_many_rows(x: Array) -> bool:
    return len(x) > 64


def is_large(x: Array) -> bool:
    return bool(np.abs(x).max(initial=0) > 50)


def has_a_zero(x: Array) -> bool:
    return bool((x == 0).any())


@pytest.mark.parametrize("seen", [is_single, has_many_rows, is_large, has_a_zero])
def test_what_is_kept_for_good_changes_the_first_call(seen: Callable[[Array], bool]) -> None:
    report = check_layer(latched(seen), (), X, rng=RNG(0))
    found = notes(report, "other_calls")
    assert {field for field, _ in found} == {"out", "dx"}
    assert all(note.startswith("after all calls of this check it is another") for _, note in found)


def the_last_x() -> Layer[Any, Any]:
    """`tanh(x)`, whose backward takes the last x that forward has seen."""
    kept: dict[str, Array] = {}

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        kept["x"] = x.copy()
        return np.tanh(x), ()

    return Layer(forward, lambda cache, dout: (dout * (1 - np.tanh(kept["x"]) ** 2), ()))


def written_to() -> Layer[Any, Any]:
    """`x^2` by an operation that writes to x."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        x *= x
        return x.copy(), x.copy()

    return Layer(forward, lambda x, dout: (2 * x * dout, ()))


def not_written() -> Layer[Any, Any]:
    """`x`, of whose dx a column is left as it comes from memory."""

    def backward(x: Array, dout: Array) -> tuple[Array, Any]:
        dx = np.empty_like(dout)
        dx[:, 1:] = dout[:, 1:]
        return dx, ()

    return Layer(lambda params, x: (x.copy(), ()), backward)


@pytest.mark.parametrize(
    ("layer", "law"),
    [(the_last_x(), "repeatability"), (written_to(), "arguments_unchanged"), (not_written(), "all_written")],
    ids=["what is kept", "x that is written to", "memory"],
)
def test_a_fault_from_which_others_follow_comes_first(layer: Layer[Any, Any], law: str) -> None:
    report = check_layer(layer, (), X, rng=RNG(0))
    first, *others = report.failures
    assert first.law == law
    assert {each.law for each in others} & {"derivative", "linearity"}
    assert str(report).index("WRONG") == str(report).index(f"WRONG {law}")


def test_two_numbers_that_differ_are_shown_with_as_many_digits() -> None:
    notes = {each.note for each in check_layer(the_last_x(), (), X, rng=RNG(0)).failures if each.law == "any_layout"}
    shown = [re.search(r"it is (\S+), and not (\S+)", note) for note in notes]
    assert shown
    assert all(pair is not None and pair[1] != pair[2] for pair in shown)


def test_the_largest_number_so_far_is_kept() -> None:
    most = [0.0]

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        most[0] = max(most[0], float(np.abs(x).max(initial=0)))
        size = x.dtype.type(most[0])
        return x / size, size

    report = check_layer(Layer(forward, lambda size, dout: (dout / size, ()), couples_rows=True), (), X, rng=RNG(0))
    assert ("out", True) in {(field, "largest x" in note) for field, note in notes(report, "other_calls")}


def test_one_in_a_hundred_for_a_strided_dout_of_float32() -> None:
    def backward(cache: Any, dout: Array) -> tuple[Array, Array]:
        if dout.dtype == np.float32 and not (dout.flags.c_contiguous or dout.flags.f_contiguous):
            dout = dout * np.float32(1.01)
        return dout @ cache[1].T, cache[0].T @ dout

    layer = Layer(lambda W, x: (x @ W, (x.copy(), W.copy())), backward)
    report = check_layer(layer, RNG(1).standard_normal((4, 3)), X, rng=RNG(0), only=["any_layout"])
    assert any(note.startswith("a strided dout of float32 gives another") for _, note in notes(report, "any_layout"))


def swish(wrong: Callable[[Array], Any]) -> Layer[Any, Any]:
    """`x / (1 + exp(-x))`, of which some slopes are a tenth too small."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        s = 1 / (1 + np.exp(-x))
        return x * s, (x.copy(), s)

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, s = cache
        slopes = np.asarray((s + x * s * (1 - s)) * np.where(wrong(x), 0.9, 1.0), x.dtype)
        return dout * slopes, ()

    return Layer(forward, backward)


def far_out_beyond_8_columns(x: Array) -> NDArray[np.bool_]:
    return np.asarray((np.arange(x.shape[1]) >= 8) & (np.abs(x) > 5), np.bool_)


def zeros_beyond_8_columns(x: Array) -> NDArray[np.bool_]:
    return np.asarray((np.arange(x.shape[1]) >= 8) & (x == 0), np.bool_)


def far_out_beyond_64_rows(x: Array) -> NDArray[np.bool_]:
    return np.asarray((np.arange(len(x)) >= 64)[:, None] & (np.abs(x) > 5), np.bool_)


@pytest.mark.parametrize(
    ("wrong", "law", "words"),
    [
        (
            far_out_beyond_8_columns,
            "other_sizes",
            "for x (5, 33), of which some numbers are 0 or ten times as large",
        ),
        (zeros_beyond_8_columns, "other_sizes", "for x (5, 33), of which some numbers are 0 or ten times as large"),
        (far_out_beyond_64_rows, "independent_rows", "rows, of which some numbers are 0 or ten times as large"),
    ],
)
def test_what_is_left_of_a_block_is_wrong_for_some_numbers_alone(
    wrong: Callable[[Array], Any], law: str, words: str
) -> None:
    report = check_layer(swish(wrong), (), X, rng=RNG(0), only=[law])
    assert any(words in note for _, note in notes(report, law))


def test_what_numpy_divides_where_it_may_leaves_the_rest_unwritten() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        sums = np.broadcast_to(np.abs(x).sum(1, keepdims=True), x.shape)
        return np.divide(x, sums, where=sums > 0, out=np.empty_like(x)), (x.copy(), sums.copy())

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, sums = cache
        some = np.where(sums > 0, sums, 1)
        dx = dout / some - np.sign(x) * (dout * x).sum(1, keepdims=True) / some**2
        return np.where(sums > 0, dx, 0), ()

    report = check_layer(Layer(forward, backward), (), X, rng=RNG(0), only=["all_written"])
    assert {field for field, _ in notes(report, "all_written")} == {"out"}


def cross_entropy(wrong: Callable[[Any, int], Any]) -> Any:
    """A softmax's cross-entropy, of which the slopes of some labels are 0."""

    def rows(xp: rules.Namespace, out: Array, targets: Any) -> tuple[Array, Array]:
        e = np.exp(out - out.max(1, keepdims=True))
        slopes: Array = e / e.sum(1, keepdims=True)
        losses: Array = -np.log(slopes[np.arange(len(out)), targets])
        slopes[np.arange(len(out)), targets] -= 1
        return losses, np.where(wrong(targets, out.shape[1])[:, None], 0, slopes)

    return rules.loss("cross_entropy", rows)


def the_last_of_more(labels: Any, k: int) -> Any:
    return (labels == k - 1) & (k > 3)


def from_3_on(labels: Any, k: int) -> Any:
    return labels >= 3


def from_8_on(labels: Any, k: int) -> Any:
    return labels >= 8


def all_equal(labels: Any, k: int) -> Any:
    return np.full(len(labels), k > 3 and len(labels) > 1 and bool((labels == labels[0]).all()))


@pytest.mark.parametrize("wrong", [the_last_of_more, from_3_on, from_8_on, all_equal])
def test_labels_that_only_more_columns_have(wrong: Callable[[Any, int], Any]) -> None:
    report = check_loss(cross_entropy(wrong), X[:, :3], np.array([0, 1, 2, 1, 0]), rng=RNG(0), only=["loss_targets"])
    assert any("columns, labels of" in note for _, note in notes(report, "loss_targets"))
    right = cross_entropy(lambda labels, k: np.zeros(len(labels), bool))
    assert check_loss(right, X[:, :3], np.array([0, 1, 2, 1, 0]), rng=RNG(0), only=["loss_targets"]).ok


@pytest.mark.parametrize(
    ("optimizer", "params"),
    [
        (sgd(0.001), [1e5, 1.0, 0.0]),
        (adam(0.001), [1e5, 1.0, 0.0]),
        (adam(0.01), [1e-8, 1e8, 1.0]),
    ],
)
def test_a_step_that_float32_rounds_away_is_right(optimizer: Any, params: list[float]) -> None:
    report = check_optimizer(optimizer, np.array(params), np.array([1e-3, 1.0, -3.0]), rng=RNG(0))
    assert report.ok, report


def test_a_network_in_float64_may_have_a_norm_in_it() -> None:
    rng = RNG(0)
    ends = [Affine.init(rng, *sizes, dtype=np.float64) for sizes in ((4, 5), (5, 3))]
    params = ends[0], LayerNorm.init(5, dtype=np.float64), ends[1]
    network = sequential(affine, layer_norm(), affine)
    report = check_network(network, softmax_cross_entropy, params, X, np.array([0, 1, 2, 1, 0]), rng=rng)
    assert report.ok, report


def test_a_network_in_float64_may_have_a_convolution_in_it() -> None:
    rng = RNG(0)
    params = PRelu.init(4, dtype=np.float64), Convolution.init(rng, 4, 3, (3,), dtype=np.float64)
    network, x = sequential(prelu, convolution(padding=1)), rng.standard_normal((3, 5, 4))
    report = check_network(network, softmax_cross_entropy, params, x, rng.integers(0, 3, (3, 5)), rng=rng)
    assert report.ok, report


def test_shares_that_are_rounded_to_float16_are_targets_in_every_dtype() -> None:
    shares = RNG(2).random((5, 4)) + 0.1
    targets = (shares / shares.sum(1, keepdims=True)).astype(np.float16)
    assert (targets.sum(1, dtype=np.float64) != 1).any()
    report = check_loss(softmax_cross_entropy, X.astype(np.float16), targets, rng=RNG(0))
    assert report.ok, report


@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_that_a_batch_norm_undoes_is_right_but_for_rounding(seed: int) -> None:
    rng = RNG(seed)
    network = sequential(convolution(), batch_norm(), relu, global_mean_pool, affine)
    params = Convolution.init(rng, 2, 4, 3), BatchNorm.init(4), (), (), Affine.init(rng, 4, 3)
    x, labels = rng.standard_normal((4, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, 4)
    only = ["network_gradient"]
    assert check_network(network, softmax_cross_entropy, params, x, labels, rng=rng, only=only).ok
    norms = BatchNorm.init(6, dtype=np.float64), BatchNorm.init(6, dtype=np.float64)
    twice, out = sequential(batch_norm(), batch_norm()), rng.standard_normal((8, 6))
    assert check_network(twice, softmax_cross_entropy, norms, out, rng.integers(0, 6, 8), rng=rng, only=only).ok


def test_arrays_of_another_byte_order_are_taken_in_every_check() -> None:
    x, big = X[:, :3], X[:, :3].astype(">f8")
    params = Affine.init(RNG(0), 3, 2, dtype=np.float64)
    assert check_layer(affine, params, big, rng=RNG(0), effort="quick").ok
    assert check_loss(mean_squared_error, big, x + 1, rng=RNG(0), only=["loss_structure", "loss_derivative"]).ok
    only = ["structure", "network_gradient"]
    labels = np.array([0, 1, 0, 1, 1], ">i8")
    assert check_network(affine, softmax_cross_entropy, params, big, labels, rng=RNG(0), only=only).ok
    assert check_optimizer(sgd(0.1), big, big, rng=RNG(0), only=["step_structure", "step_purity"]).ok


@pytest.mark.parametrize("key", ["in", "lambda", "class", "None", "self", "_w", "__b", "__init__", "0", "a.b", ""])
def test_a_dictionary_may_have_any_key(key: str) -> None:
    def layer(factor: float) -> Layer[Any, Any]:
        return Layer(
            lambda params, x: (x @ params[key] + params["w"], (x.copy(), params[key].copy())),
            lambda cache, dout: (dout @ cache[1].T, {key: factor * (cache[0].T @ dout), "w": dout.sum(0)}),
        )

    params = {key: RNG(1).standard_normal((4, 3)), "w": np.ones(3)}
    some = ["structure", "derivative"]
    assert check_layer(layer(1.0), params, X, rng=RNG(0), only=some).ok
    (wrong,) = check_layer(layer(2.0), params, X, rng=RNG(0), only=some).failures
    assert wrong.field.startswith("grads.")


def test_the_own_buffer_of_a_layer_can_be_written_to_again() -> None:
    buffer = np.zeros(X.shape)

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        if x.shape == buffer.shape and x.dtype == buffer.dtype:
            return x * x, np.multiply(x, 2, out=buffer)
        return x * x, 2 * x

    report = check_layer(Layer(forward, lambda slopes, dout: (dout * slopes, ())), (), X, rng=RNG(0))
    assert report.failures
    assert not any("read-only" in each.note for each in report.failures)


def test_random_results_are_called_so() -> None:
    rng = RNG(3)

    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        kept = ((rng.random(x.shape) < 0.5) * 2.0).astype(x.dtype)
        return x * kept, kept

    layer = Layer(forward, lambda kept, dout: (kept * dout, ()))
    report = check_layer(layer, (), X, rng=RNG(0), only=["read_only_accepted"])
    words = "with arguments that are read-only it gives other numbers: are they random, or left from an earlier call?"
    assert notes(report, "read_only_accepted") == {("out", words), ("backward", words)}


@pytest.mark.parametrize(
    ("of_zeros", "words"),
    [
        (np.full(X.shape, np.nan), "it is nan for dout = 0: is something divided by the size of dout?"),
        (np.zeros(1), "for dout = 0 it has shape (1,), else (5, 4)"),
    ],
)
def test_what_a_dout_of_zeros_gives_is_said(of_zeros: Array, words: str) -> None:
    layer = Layer(lambda params, x: (2 * x, x.dtype), lambda dtype, dout: (2 * dout if dout.any() else of_zeros, ()))
    report = check_layer(layer, (), X, rng=RNG(0), only=["linearity"])
    assert ("dx", words) in notes(report, "linearity")


def test_a_list_for_dx_is_named() -> None:
    layer = Layer(lambda params, x: (2 * x, ()), lambda cache, dout: ((2 * dout).tolist(), ()))
    report = check_layer(layer, (), X, rng=RNG(0), only=["structure"])
    ((_, note),) = notes(report, "structure")
    assert "with an array for dx, got (list, a tuple of 0)" in note


def test_layers_of_the_library_keep_a_complex_step_beside_real_parameters() -> None:
    for each in LAYERS:
        params, x = each.make(RNG(0), 4, np.float64)
        out: Any = each.layer.forward(params, lift(x))[0]
        assert isinstance(out, Lifted), each.name


def test_of_a_parameter_of_a_thousand_that_may_be_a_logarithm_nothing_is_told() -> None:
    def forward(log_width: Array, x: Array) -> tuple[Array, Any]:
        width = np.exp(log_width)
        out: Array = np.exp(-width * x * x)
        return out.copy(), (x.copy(), width, out)

    def backward(cache: Any, dout: Array) -> tuple[Array, Array]:
        x, width, out = cache
        return -2 * dout * out * width * x, -(dout * out * x * x * width).sum(0)

    report = check_layer(Layer(forward, backward), RNG(1).standard_normal(4), X, rng=RNG(0), only=["other_values"])
    assert not report.failures
    (verdict,) = report.undecided
    assert "1000 in float64 it is nan where out is finite" in verdict.note
    assert verdict.advice == "If these parameters are not meant, let forward refuse them"


def test_ties_that_are_left_out_are_said_to_be_so_perhaps() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        top = x == x.max(1, keepdims=True)
        return x.max(1), top * (top.sum(1, keepdims=True) == 1).astype(x.dtype)

    report = check_layer(Layer(forward, lambda top, dout: (top * dout[:, None], ())), (), X, rng=RNG(0))
    said = [each.note for each in report.failures]
    assert any("are ties counted twice? Or left out?" in note for note in said), str(report)


def test_where_nothing_ties_no_ties_are_blamed() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return np.tanh(x.astype(np.float16)).astype(x.dtype), x.copy()  # too coarse for one entry to show a tenth

    def backward(x: Array, dout: Array) -> tuple[Array, Any]:
        return dout * (1 - np.tanh(x) ** 2) + 0.1 * np.abs(dout).mean(), ()

    x = RNG(1).standard_normal((8, 16))
    report = check_layer(Layer(forward, backward), (), x, rng=RNG(0), only=["derivative"])
    ((_, note),) = notes(report, "derivative")
    assert note == "where all entries move alike it is wrong: is each off by a little, which alone can't be seen?"


def test_of_no_rows_nothing_is_wrong() -> None:
    def forward(params: Array, x: Array) -> tuple[Array, Any]:
        return x * params, (x.copy(), params.copy())

    def backward(cache: Any, dout: Array) -> tuple[Array, Array]:
        x, params = cache
        return dout * params, (dout * x).sum(0)

    report = check_layer(Layer(forward, backward), RNG(0).standard_normal(4), X[:0], rng=RNG(0))
    assert not report.failures, report
    assert {each.law for each in report.undecided} == {"derivative"}


def without_the_last_block(size: int, of: int, axis: int) -> Layer[Any, Any]:
    """`x W`, of whose gradients one loses what is beyond n % size: the last block, where it is full."""

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        x, W = cache
        both = (dout @ W.T, x.T @ dout)
        columns = np.moveaxis(both[of], axis, -1)
        n = int(columns.shape[-1])
        lost = [k for k in range((n - 1) // size * size, n) if k % size >= n % size]
        columns[:, lost] = 0
        return both

    return Layer(lambda W, x: (x @ W, (x.copy(), W.copy())), backward)


@pytest.mark.parametrize(("of", "axis"), [(0, 1), (1, 0), (1, 1)], ids=["dx", "rows of dW", "columns of dW"])
@pytest.mark.parametrize("size", [8, 32, 128])
def test_a_last_block_that_is_full_is_there(size: int, of: int, axis: int) -> None:
    layer, W, x = without_the_last_block(size, of, axis), RNG(1).standard_normal((5, 3)), RNG(2).standard_normal((6, 5))
    report = check_layer(layer, W, x, rng=RNG(0), only=["other_sizes"])
    assert {each.field for each in report.failures} == {("dx", "grads")[of]}


def logistic(factor: Callable[[Array, Array], Any]) -> Loss[Any, Any]:
    """The binary cross-entropy of rows, whose gradient is multiplied by a factor that depends on out and targets."""

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray((np.maximum(out, 0) - out * targets + np.log1p(np.exp(-np.abs(out)))).mean(axis=-1))

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        return np.asarray(rows(out, targets).mean(), out.dtype), (out.copy(), targets.copy())

    def backward(cache: tuple[Array, Array], dloss: Any) -> Array:
        out, targets = cache
        e: Array = np.exp(-np.abs(out))
        slope: Array = np.where(out >= 0, 1 / (1 + e), e / (1 + e)) - targets
        return np.asarray(factor(out, targets) * slope * (float(dloss) / out.size), out.dtype)

    return Loss(forward, backward, rows)


HITS = (RNG(1).random((6, 4)) < 0.5).astype(float)


FACTORS: dict[str, Callable[[Array, Array], Any]] = {
    "beyond 300": lambda out, targets: np.where(np.abs(out) > 300, 2, 1),
    "beyond 5000": lambda out, targets: np.where(np.abs(out) > 5000, 2, 1),
    "10 columns": lambda out, targets: 1 + (out.shape[1] == 10),
    "256 columns": lambda out, targets: 1 + (out.shape[1] == 256),
    "32 rows": lambda out, targets: 1 + (len(out) == 32),
    "100 rows": lambda out, targets: 1 + (len(out) == 100),
}


@pytest.mark.parametrize("where", FACTORS)
def test_a_loss_far_out_and_at_usual_sizes_is_tried(where: str) -> None:
    out = RNG(5).standard_normal((6, 4))
    assert check_loss(logistic(lambda out, targets: 1), out, HITS, rng=RNG(0)).ok
    assert check_loss(logistic(FACTORS[where]), out, HITS, rng=RNG(0)).failures


@pytest.mark.parametrize("seed", range(3))
def test_what_a_loss_does_not_write_where_out_is_its_target_is_found(seed: int) -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(((out - targets) ** 2).mean() / 2, out.dtype), out - targets

    def backward(off: Array, dloss: Any) -> Array:
        dout = np.empty_like(off)
        np.divide(off * float(dloss), off.size, out=dout, where=off != 0)
        return dout

    loss = Loss(forward, backward, lambda out, targets: np.asarray(((out - targets) ** 2).mean(axis=-1) / 2))
    out, targets = RNG(5).standard_normal((2, 6, 4))
    words = "where out is the targets: it depends on what was in memory before: is an entry of empty not written?"
    assert ("dout", words) in notes(check_loss(loss, out, targets, rng=RNG(seed)), "loss_memory")


def test_one_container_for_parameters_and_state_is_two_results_that_are_one() -> None:
    class Both:
        def init(self, params: Any) -> Any:
            return tuple(each.copy() for each in params)

        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            new = tuple(a - 0.1 * b for a, b in zip(params, grads, strict=True))
            return new, new

    params, grads = ((RNG(seed).standard_normal(5), RNG(seed).standard_normal((2, 2))) for seed in (1, 2))
    said = notes(check_optimizer(Both(), params, grads, rng=RNG(0)), "step_purity")
    assert said == {("ownership", "two results are one array: return a copy of it")}


def test_a_fault_of_some_douts_comes_before_what_follows_from_it() -> None:
    def backward(out: Array, dout: Array) -> tuple[Array, Any]:
        return dout * (1 - out * out) * (1.5 if (dout == 1).all() else 1), ()

    layer = Layer(lambda params, x: (np.tanh(x), np.tanh(x)), backward)
    first, *others = check_layer(layer, (), X, rng=RNG(0)).failures
    assert (first.law, first.note) == (
        "any_dout",
        "for dout of ones: it is 1.5 times what it should be: a constant factor",
    )
    assert "other_values" in {each.law for each in others}


@pytest.mark.parametrize("seed", range(3, 6))
def test_sums_of_a_thousand_rows_in_float32_inside_are_no_coupling(seed: int) -> None:
    def forward(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        narrow = x.astype(np.float32), w.astype(np.float32)
        return (narrow[0] * narrow[1]).astype(x.dtype), narrow

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        (x, w), narrow = cache, dout.astype(np.float32)
        return (narrow * w).astype(dout.dtype), (narrow * x).sum(axis=(0, 1)).astype(dout.dtype)

    rng = RNG(seed)
    w, x = rng.standard_normal(3), rng.standard_normal((4, 8, 3))
    assert not check_layer(Layer(forward, backward), w, x, rng=RNG(0), only=["independent_rows"]).failures


@pytest.mark.parametrize("seed", range(10, 16))
def test_of_equal_rows_rounding_in_float32_inside_may_be_left(seed: int) -> None:
    def centred(narrow: Array, dtype: Any) -> Array:
        return np.asarray(narrow - narrow.mean(axis=0), dtype)

    layer: Layer[Any, Any] = Layer(
        lambda params, x: (centred(x.astype(np.float32), x.dtype), ()),
        lambda cache, dout: (centred(dout.astype(np.float32), dout.dtype), ()),
        couples_rows=True,
    )
    assert not check_layer(layer, (), RNG(seed).standard_normal((9, 4)), rng=RNG(0), only=["any_layout"]).failures


def test_of_what_is_random_the_first_line_says_so() -> None:
    drawn = RNG(0)
    layer: Layer[Any, Any] = Layer(lambda params, x: (x * drawn.random(), ()), lambda cache, dout: (dout, ()))
    first = check_layer(layer, (), X, rng=RNG(0)).failures[0]
    assert (first.law, first.field) == ("process_unchanged", "the first call")


def test_a_dloss_that_is_clipped_is_not_called_ignored() -> None:
    def backward(off: Array, dloss: Any) -> Array:
        return np.asarray(off * min(float(dloss), 1.0) / off.size, off.dtype)

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(((out - targets) ** 2).mean(axis=-1) / 2)

    loss = Loss(lambda out, targets: (np.asarray(rows(out, targets).mean(), out.dtype), out - targets), backward, rows)
    out, targets = RNG(5).standard_normal((2, 6, 4))
    (note,) = {said for _, said in notes(check_loss(loss, out, targets, rng=RNG(0)), "loss_linearity")}
    assert re.fullmatch(r"it is the same for a dloss of 1 and of \d\.\d+: is it clipped\?", note)


def test_a_cache_may_hold_an_array_and_a_view_of_it() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, tuple[Array, Array]]:
        kept = x.copy()
        pairs = kept.reshape(*x.shape[:-1], -1, 2)
        return pairs.sum(axis=-1), (pairs, kept)

    def backward(cache: tuple[Array, Array], d: Array) -> tuple[Array, Any]:
        return np.repeat(d, 2, axis=-1), ()

    report = check_layer(Layer(forward, backward), (), RNG(0).standard_normal((4, 6)), rng=RNG(0))
    assert report.ok, str(report)


@pytest.mark.parametrize("result", ["out", "dx"])
def test_a_buffer_that_is_used_again_is_called_that_and_nothing_else(result: str) -> None:
    held: dict[tuple[Any, ...], Array] = {}

    def kept(name: str, array: Array) -> Array:
        if name != result or type(array) is not np.ndarray:
            return array
        buffer = held.setdefault((array.shape, array.dtype), np.empty_like(array))
        buffer[...] = array
        return buffer

    def forward(params: Any, x: Array) -> tuple[Array, Array]:
        return kept("out", np.sin(x)), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return kept("dx", d * np.cos(x)), ()

    report = check_layer(Layer(forward, backward), (), X, rng=RNG(0))
    said = {(each.law, each.field) for each in report.failures}
    assert said <= {("nothing_shared", result), ("threads", "results")}, str(report)
    assert report.failures[0].note == f"it is writable, and shares memory with {result} of another call"
