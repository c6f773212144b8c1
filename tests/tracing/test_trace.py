"""A trace says what happened: the numbers are those of the network, and the costs those counted by hand."""

import pickle
import re
import tracemalloc
from functools import partial
from importlib import import_module
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from catalogue import LAYERS, Subject
from chainrule import (
    Affine,
    Array,
    Embedding,
    Layer,
    Loss,
    Unit,
    add,
    affine,
    embedding,
    encoded,
    fixed,
    read_only,
    relu,
    residual,
    sequential,
    softmax_cross_entropy,
    tied,
    trace,
    tree,
    two_layer,
)
from chainrule.inspecting.tracing.quantity import Quantity
from chainrule.inspecting.tracing.records import ForkTrace, Trace
from untyped import untyped

strict: Any = import_module("array_api_strict")

W, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0])
NESTED = sequential(affine, sequential(relu, sequential(affine)))


def numbers(quantity: Quantity | None) -> Any:
    """The numbers of a small array."""
    assert quantity is not None
    assert quantity.values is not None
    return quantity.values.tolist()


def mnist() -> tuple[two_layer.Params, Array, Any]:
    rng = np.random.default_rng(0)
    return two_layer.init(rng, 784, 50, 10), rng.random((100, 784), np.float32), np.arange(100) % 10


def of_mnist() -> Trace:
    params, x, labels = mnist()
    return trace(two_layer.network, params, x, softmax_cross_entropy, labels)


# What happened


def test_an_affine_layer_worked_by_hand() -> None:
    seen = trace(affine, Affine(W, B), np.array([[1.0, 1.0]]), dout=np.array([[1.0, 0.0]]))
    (layer,) = seen.layers
    assert (layer.number, layer.path, layer.name) == (1, (), "affine")
    assert (numbers(layer.x), numbers(layer.out)) == ([[1, 1]], [[14, 26]])
    assert (numbers(layer.dout), numbers(layer.dx)) == ([[1, 0]], [[1, 3]])
    assert [(each.name, numbers(each)) for each in layer.params] == [("W", W.tolist()), ("b", B.tolist())]
    assert [(each.name, numbers(each)) for each in layer.grads] == [("dW", [[1, 0], [1, 0]]), ("db", [1, 0])]
    assert (numbers(seen.x), numbers(seen.out), numbers(seen.dout), numbers(seen.dx)) == (
        [[1, 1]],
        [[14, 26]],
        [[1, 0]],
        [[1, 3]],
    )


def test_a_loss_worked_by_hand() -> None:
    params = (Affine(np.zeros((1, 4)), np.zeros(4)), ())
    seen = trace(sequential(affine, relu), params, np.ones((2, 1)), softmax_cross_entropy, np.array([0, 3]))
    assert seen.loss is not None
    assert seen.loss.name == "softmax_cross_entropy"
    assert numbers(seen.loss.loss) == pytest.approx(np.log(4))
    assert [numbers(each) for each in seen.loss.targets] == [[0, 3]]
    assert numbers(seen.loss.dout) == [[-0.375, 0.125, 0.125, 0.125], [0.125, 0.125, 0.125, -0.375]]
    assert numbers(seen.dout) == numbers(seen.loss.dout)
    assert seen.layers[1].dx is not None
    assert seen.layers[1].dx.zeros == 1  # the kink at 0


@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_numbers_are_those_of_the_network_to_the_bit(subject: Subject, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    params, x = subject.make(rng, 3, dtype)
    out, cache = subject.layer.forward(params, x)
    dout = np.ones_like(out)
    dx, grads = subject.layer.backward(cache, dout)
    seen = trace(subject.layer, params, x, dout=dout)
    assert tree.equal(seen.out.values, out)
    assert seen.dx is not None
    assert tree.equal(seen.dx.values, dx)
    found = [grad.values for layer in seen.layers for grad in layer.grads]
    assert all(tree.equal(a, b) for a, b in zip(found, tree.leaves(grads), strict=True))


def test_without_a_loss_nothing_comes_back() -> None:
    params, x, _ = mnist()
    seen = trace(two_layer.network, params, x)
    assert (seen.loss, seen.dout, seen.dx) == (None, None, None)
    assert [(layer.dout, layer.dx, layer.grads) for layer in seen.layers] == [(None, None, ())] * 3


def test_layers_of_nested_sequentials_are_counted_singly_and_know_their_place() -> None:
    params = (Affine(W, B), ((), (Affine(W, B),)))
    seen = trace(NESTED, params, np.ones((1, 2)), softmax_cross_entropy, np.array([0]))
    assert [(layer.number, layer.path, layer.name) for layer in seen.layers] == [
        (1, (0,), "affine"),
        (2, (1, 0), "relu"),
        (3, (1, 1, 0), "affine"),
    ]
    assert seen.layers[2].params[0].where == "params[1][1][0].W of layer 3 (affine)"
    assert seen.layers[2].grads[1].where == "grads[1][1][0].b of layer 3 (affine)"


def test_a_network_of_no_layers_is_the_identity() -> None:
    seen = trace(sequential(), (), np.ones((1, 2)), dout=np.full((1, 2), 3.0))
    assert seen.layers == ()
    assert (numbers(seen.out), numbers(seen.dx)) == ([[1, 1]], [[3, 3]])
    assert repr(seen) == "Trace(f64[1, 2] -> nothing -> f64[1, 2])"


def test_the_output_of_a_layer_is_the_input_of_the_next() -> None:
    layers = of_mnist().layers
    assert [layer.x.summary for layer in layers[1:]] == [layer.out.summary for layer in layers[:-1]]
    assert [layer.x.mean for layer in layers[1:]] == [layer.out.mean for layer in layers[:-1]]
    assert layers[0].dout is not None
    assert layers[1].dx is not None
    assert layers[0].dout.mean == layers[1].dx.mean


def test_arguments_are_not_written_to_and_may_be_read_only() -> None:
    params, x, labels = mnist()
    before = x.copy(), labels.copy()
    free = str(trace(two_layer.network, params, x, softmax_cross_entropy, labels))
    assert tree.equal((x, labels), before)
    x.flags.writeable = labels.flags.writeable = False
    assert trace(two_layer.network, params, x, softmax_cross_entropy, labels).layers[0].shared_bytes > 0
    assert free == str(of_mnist())


def test_no_large_array_is_held() -> None:
    params, x, labels = mnist()
    seen = trace(two_layer.network, params, x, softmax_cross_entropy, labels)
    assert len(pickle.dumps(seen)) < 20_000 < x.nbytes


def test_arrays_of_other_libraries_are_looked_at_too() -> None:
    params = Affine(strict.asarray(W), strict.asarray(B))
    seen = trace(affine, params, strict.asarray(np.ones((1, 2))), dout=strict.asarray(np.ones((1, 2))))
    assert (numbers(seen.out), seen.out.summary) == ([[14, 26]], "f64[1, 2]")
    assert seen.layers[0].cache_bytes == 0  # x and W are shared


# Forks, encoders and what is around a layer


def forked() -> tuple[Any, Any, Array]:
    rng = np.random.default_rng(0)
    a, b, c, d = (Affine(rng.standard_normal((3, 3)), rng.standard_normal(3)) for _ in range(4))
    network = sequential(affine, residual(sequential(affine, relu)), add(affine, relu, sequential()), fixed(affine))
    return network, (a, (b, ()), (c, (), ()), d), rng.standard_normal((4, 3))


def test_layers_of_branches_are_numbered_in_order_and_know_their_place() -> None:
    network, params, x = forked()
    seen = trace(network, params, x, dout=np.ones((4, 3)))
    assert [(layer.number, layer.path, layer.name) for layer in seen.layers] == [
        (1, (0,), "affine"),
        (2, (1, 0), "affine"),
        (3, (1, 1), "relu"),
        (4, (2, 0), "affine"),
        (5, (2, 1), "relu"),
        (6, (3,), "affine"),
    ]
    _, block, fork, _ = seen.steps
    assert isinstance(block, ForkTrace)
    assert isinstance(fork, ForkTrace)
    assert [(each.name, each.joint, each.path, each.around) for each in (block, fork)] == [
        ("residual", "+", (1,), True),
        ("add", "+", (2,), False),
    ]
    assert [[len(branch) for branch in each.branches] for each in (block, fork)] == [[2, 0], [1, 1, 0]]
    assert repr(seen) == "Trace(f64[4, 3] -> affine, residual(affine relu), add(affine, relu), affine -> f64[4, 3])"


def test_what_goes_into_branches_and_joints_is_the_networks_to_the_bit() -> None:
    network, params, x = forked()
    seen = trace(network, params, x, dout=np.ones((4, 3)))
    out, caches = network.forward(params, x)
    dx, grads = network.backward(caches, np.ones((4, 3)))
    assert seen.dx is not None
    assert tree.equal((seen.out.values, seen.dx.values), (out, dx))
    found = [grad.values for layer in seen.layers for grad in layer.grads]
    assert all(tree.equal(a, b) for a, b in zip(found, tree.leaves(grads[:3]), strict=True))
    first, block, fork, last = seen.steps
    assert isinstance(block, ForkTrace)
    assert isinstance(fork, ForkTrace)
    between = numbers(first.out)
    assert numbers(block.x) == numbers(seen.layers[1].x) == between
    np.testing.assert_allclose(numbers(block.out), np.add(between, numbers(seen.layers[2].out)), rtol=1e-15)
    branches = [numbers(layer.out) for layer in seen.layers[3:5]]
    np.testing.assert_allclose(numbers(fork.out), np.sum([*branches, numbers(block.out)], axis=0), rtol=1e-14)
    assert numbers(last.x) == numbers(fork.out)
    assert numbers(fork.dout) == numbers(seen.layers[3].dout) == numbers(seen.layers[4].dout) == numbers(last.dx)
    parts = [numbers(layer.dx) for layer in seen.layers[3:5]]
    np.testing.assert_allclose(numbers(fork.dx), np.sum([*parts, numbers(fork.dout)], axis=0), rtol=1e-14)
    assert numbers(block.dout) == numbers(fork.dx)


def test_what_is_fixed_has_no_gradients_in_a_trace() -> None:
    network, params, x = forked()
    assert trace(network, params, x, dout=np.ones((4, 3))).layers[-1].grads == ()


def test_operations_are_those_that_the_layers_count_and_a_joint_adds() -> None:
    network, params, x = forked()
    seen = trace(network, params, x, dout=np.ones((4, 3)))
    of_affine, of_relu = 2 * 12 * 3, 12
    assert [step.forward_operations for step in seen.steps] == [of_affine, 12, 24, of_affine]
    assert [step.backward_operations for step in seen.steps] == [2 * of_affine, 12, 24, 2 * of_affine]
    assert seen.forward_operations == 4 * of_affine + 2 * of_relu + 12 + 24


def test_an_encoder_stands_first_and_has_no_dx() -> None:
    rng = np.random.default_rng(0)
    network = encoded(embedding, residual(affine))
    params = Embedding(rng.standard_normal((5, 2))), Affine(W, B)
    tokens = np.array([3, 3, 0])
    seen = trace(network, params, tokens, softmax_cross_entropy, np.array([0, 1, 1]))
    assert [(layer.path, layer.name, layer.dx is None) for layer in seen.layers] == [
        ((0,), "embedding", True),
        ((1,), "affine", False),
    ]
    assert seen.dx is None
    out, caches = network.forward(params, tokens)
    loss, cache = softmax_cross_entropy.forward(out, np.array([0, 1, 1]))
    grads = network.grads(caches, softmax_cross_entropy.backward(cache, 1.0))
    assert seen.loss is not None
    assert numbers(seen.loss.loss) == float(loss)
    assert numbers(seen.layers[0].grads[0]) == grads[0].E.tolist()
    assert (seen.layers[0].forward_operations, seen.layers[0].backward_operations) == (0, 6)


def test_what_is_tied_is_one_layer() -> None:
    layer = tied(sequential(affine, affine), lambda p: (p, p), lambda g: tree.map(np.add, *g))
    seen = trace(sequential(layer, relu), (Affine(W, B), ()), np.ones((1, 2)), dout=np.ones((1, 2)))
    assert [each.name.partition("(")[0] for each in seen.layers] == ["tied", "relu"]
    assert [grad.name for grad in seen.layers[0].grads] == ["dW", "db"]


def test_errors_in_branches_say_where() -> None:
    network, (a, b, (c, _, _), d), x = forked()
    wrong = (a, b, (Affine(np.ones((2, 3)), np.ones(3)), (), ()), d)
    for call in (network.forward, partial(trace, network)):
        with pytest.raises(ValueError, match="affine: x has 3 features") as raised:
            call(wrong, x)
        assert raised.value.__notes__ == ["in branch 1 of 3", "in layer 3 of 4"]
    with pytest.raises(ValueError, match=r"^trace: 3 layers need 3 entries in params\[2\], got 1$"):
        trace(network, (a, b, (c,), d), x)


def test_the_first_bad_number_may_come_out_of_a_joint() -> None:
    largest = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        seen = trace(sequential(add(relu, relu)), (((), ()),), np.full((1, 2), largest))
    assert str(seen.first_nonfinite) == (
        "out of the joint of add at params[0], f64[1, 2]: 2 of 2 not finite, the first at [0, 0]"
    )


# What it cost


def test_bytes_of_caches_counted_by_hand() -> None:
    seen = of_mnist()
    x, w1, hidden, w2 = 4 * 100 * 784, 4 * 784 * 50, 4 * 100 * 50, 4 * 50 * 10
    assert [(layer.cache_bytes, layer.shared_bytes) for layer in seen.layers] == [
        (x, w1),  # the caller may write to x, so it was copied; W is the parameter
        (hidden, 0),
        (0, hidden + w2),  # relu's output
    ]
    assert seen.loss is not None
    assert seen.loss.cache_bytes == 4 * (100 * 10 + 100)
    assert seen.cache_bytes == x + hidden + seen.loss.cache_bytes


def test_bytes_of_caches_are_what_the_allocator_gives() -> None:
    params, x, _ = mnist()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        caches = two_layer.network.forward(params, x)[1]
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(caches) == 3
    assert held == pytest.approx(trace(two_layer.network, params, x).cache_bytes, abs=4096)  # the records themselves


def test_a_read_only_x_is_shared_with_its_owner() -> None:
    x = read_only(np.ones((4, 2)))
    layer = trace(affine, Affine(W, B), x).layers[0]
    assert (layer.cache_bytes, layer.shared_bytes) == (0, x.nbytes + W.nbytes)


def test_operations_counted_by_hand() -> None:
    seen = of_mnist()
    assert [layer.forward_operations for layer in seen.layers] == [2 * 100 * 784 * 50, 100 * 50, 2 * 100 * 50 * 10]
    assert [layer.backward_operations for layer in seen.layers] == [4 * 100 * 784 * 50, 100 * 50, 4 * 100 * 50 * 10]
    assert seen.forward_operations == 7_840_000 + 5_000 + 100_000 + 4_000
    assert seen.backward_operations == 15_680_000 + 5_000 + 200_000 + 1_000


def test_nobody_knows_the_operations_of_a_strangers_layer() -> None:
    seen = trace(sequential(relu, sick()), ((), ()), np.ones((1, 2)))
    assert (seen.layers[1].forward_operations, seen.forward_operations, seen.backward_operations) == (None, None, None)
    assert re.search(r"^all .* \? +\?$", str(seen), re.MULTILINE)


# Where it went wrong


def sick_forward(where: str, params: Unit | Array, x: Array) -> tuple[Array, Array]:
    return (x * np.nan if where == "out" else x * 1), x


def sick_backward(where: str, cache: Array, dout: Array) -> tuple[Array, Unit | Array]:
    grads = np.full(2, np.inf if where == "grads" else 1.0) if where.startswith("grads") else ()
    return (dout * np.nan if where == "dx" else dout * 1), grads


def sick(where: str = "") -> Layer[Any, Array]:
    """A layer of which one result is not finite."""
    return Layer(partial(sick_forward, where), partial(sick_backward, where))


def loss_rows(out: Array, targets: Array) -> Array:
    return out


def sum_forward(where: str, out: Array, targets: Array) -> tuple[Array, Array]:
    return np.asarray(np.nan if where == "loss" else out.sum()), out


def sum_backward(where: str, cache: Array, dloss: Array | float) -> Array:
    return np.full_like(cache, np.inf if where == "dout" else 1.0)


def total(where: str = "") -> Loss[Array, Array]:
    return Loss(partial(sum_forward, where), partial(sum_backward, where), loss_rows)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("x", "x, f64[1, 2]: 1 of 2 not finite, the first at [0, 1]"),
        ("params", "params[0].W of layer 1 (affine), f64[2, 2]: 1 of 4 not finite, the first at [1, 0]"),
        ("targets", "targets, f64[2]: 2 of 2 not finite, the first at [0]"),
        ("out", "out of layer 3 (sick('out')), f64[1, 2]: 2 of 2 not finite, the first at [0, 0]"),
        ("loss", "loss of sum('loss'), f64[]: 1 of 1 not finite"),
        ("dout", "dout of sum('dout'), f64[1, 2]: 2 of 2 not finite, the first at [0, 0]"),
        ("grads", "grads[2] of layer 3 (sick('grads')), f64[2]: 2 of 2 not finite, the first at [0]"),
        ("dx", "dx of layer 3 (sick('dx')), f64[1, 2]: 2 of 2 not finite, the first at [0, 0]"),
    ],
)
def test_the_first_array_that_is_not_finite(place: str, said: str) -> None:
    x, weights, targets = np.ones((1, 2)), W.copy(), np.ones(2)
    if place == "x":
        x[0, 1] = np.nan
    elif place == "params":
        weights[1, 0] = -np.inf
    elif place == "targets":
        targets[:] = np.nan
    params = (Affine(weights, B), (), np.ones(2) if place == "grads" else ())
    network: Layer[Any, Any] = sequential(affine, relu, sick(place))
    with np.errstate(invalid="ignore"):
        seen = trace(network, params, x, total(place), targets)
    assert str(seen.first_nonfinite) == said
    assert str(seen).endswith(f"the first number that is not finite: {said}")


def test_a_trace_of_numbers_says_that_they_are_finite() -> None:
    seen = of_mnist()
    assert seen.first_nonfinite is None
    assert str(seen).endswith("every number is finite")


def test_arrays_come_in_the_order_in_which_they_were_made() -> None:
    assert [quantity.where for quantity in of_mnist().quantities] == [
        "x",
        "params[0].W of layer 1 (affine)",
        "params[0].b of layer 1 (affine)",
        "params[2].W of layer 3 (affine)",
        "params[2].b of layer 3 (affine)",
        "targets",
        "out of layer 1 (affine)",
        "out of layer 2 (relu)",
        "out of layer 3 (affine)",
        "loss of softmax_cross_entropy",
        "dout of softmax_cross_entropy",
        "dx of layer 3 (affine)",
        "grads[2].W of layer 3 (affine)",
        "grads[2].b of layer 3 (affine)",
        "dx of layer 2 (relu)",
        "dx of layer 1 (affine)",
        "grads[0].W of layer 1 (affine)",
        "grads[0].b of layer 1 (affine)",
    ]


# How it reads


TABLE = """\
layer     x          out        params  cache bytes  shared  operations  back
1 affine  f64[1, 2]  f64[1, 2]       6           16      32           8    16
2 relu    f64[1, 2]  f64[1, 2]       0           16       0           2     2
all       f64[1, 2]  f64[1, 2]       6           32                  10    18

from      array             mean  std  min  max  zeros  not finite
          x      f64[1, 2]     0    1   -1    1     0%           0
1 affine  W      f64[2, 2]   2.5 1.12    1    4     0%           0
          b      f64[2]       -5    5  -10    0    50%           0
          out    f64[1, 2]    -3    5   -8    2     0%           0
2 relu    out    f64[1, 2]     1    1    0    2    50%           0

every number is finite"""


def test_printed_it_is_two_tables() -> None:
    params = (Affine(W, np.array([-10.0, 0.0])), ())
    seen = trace(sequential(affine, relu), params, np.array([[-1.0, 1.0]]))
    assert re.sub(" +", " ", str(seen)) == re.sub(" +", " ", TABLE)
    assert max(map(len, str(seen).splitlines())) < 100


def test_in_jupyter_it_is_two_tables_of_html() -> None:
    weird = Layer(partial(sick_forward, "<b>&\"'"), partial(sick_backward, ""))
    seen = trace(sequential(weird), ((),), np.ones((1, 2)))
    root = ET.fromstring(untyped(seen)._repr_html_())  # noqa: S314  # it is ours
    assert [caption.text for caption in root.iter("caption")] == ["Layers", "Arrays, in the order of the pass"]
    cells = [cell.text for cell in root.iter("td")]
    assert "1 sick('<b>&\"\\'')" in cells
    assert root.findtext("p") == "every number is finite"


# What it refuses


def test_errors_say_in_which_layer() -> None:
    params = (Affine(W, B), ((), (Affine(np.ones((5, 1)), np.ones(1)),)))
    with pytest.raises(ValueError, match=r"x has 2 features \(1, 2\) but W takes 5") as raised:
        trace(NESTED, params, np.ones((1, 2)))
    assert raised.value.__notes__ == ["in layer 1 of 1", "in layer 2 of 2", "in layer 2 of 2"]


def test_it_says_the_same_as_the_network_itself() -> None:
    params, x, labels = mnist()
    with pytest.raises(TypeError) as theirs:
        two_layer.network.forward(params, x.astype(np.float64))
    with pytest.raises(TypeError) as ours:
        trace(two_layer.network, params, x.astype(np.float64), softmax_cross_entropy, labels)
    assert (str(ours.value), ours.value.__notes__) == (str(theirs.value), theirs.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("affine", Affine(W, B), W), TypeError, "trace: network must be a Layer or an Encoder, got str"),
        ((affine, Affine(W, B), W, softmax_cross_entropy), TypeError, "trace: a loss needs targets to compare with"),
        (
            (affine, Affine(W, B), W, None, np.array([0, 1])),
            TypeError,
            r"trace: targets \(i64\[2\]\) need a loss that compares with them",
        ),
        ((affine, Affine(W, B), W, relu, np.array([0, 1])), TypeError, "trace: loss must be a Loss, got Layer"),
        *(
            ((embedding, Embedding(W), x), TypeError, f"trace: x must be an array of real numbers, got {said}")
            for x, said in (
                (Affine(W, B), "Affine"),  # of which an encoder may be made
                (np.array(["one", "two"]), r"<U3\[2\]"),
                (np.zeros(2, "V8"), r"\|V8\[2\]"),
                (np.zeros(2, "f4, i4"), r"\[\('f0', '<f4'\), \('f1', '<i4'\)\]\[2\]"),
            )
        ),
        (
            (sequential(affine), Affine(W, B), W),
            TypeError,
            "trace: params must be a tuple with an entry for each layer, got Affine",
        ),
        ((sequential(affine, relu), (Affine(W, B),), W), ValueError, "trace: 2 layers need 2 entries in params, got 1"),
        (
            (NESTED, (Affine(W, B), ((), ())), W),
            ValueError,
            r"trace: 1 layers need 1 entries in params\[1\]\[1\], got 0",
        ),
    ],
)
def test_bad_input(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        untyped(trace)(*arguments)


def test_a_loss_and_a_dout_are_one_too_many() -> None:
    with pytest.raises(TypeError, match=r"^trace: dout \(f64\[2, 2\]\) comes from the loss: give one of them$"):
        untyped(trace)(affine, Affine(W, B), W, softmax_cross_entropy, np.array([0, 1]), dout=W)


def test_a_cache_may_be_anything_of_which_the_arrays_are_counted() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Any]:
        return 2 * x, {"x": [x.copy(), {"again": x.copy()}], "name": "x"}

    def backward(cache: Any, dout: Array) -> tuple[Array, Unit]:
        return 2 * dout, ()

    x = np.ones((4, 3))
    passed = trace(sequential(relu, Layer(forward, backward)), ((), ()), x, dout=np.ones((4, 3)))
    assert passed.layers[1].cache_bytes == 2 * x.nbytes


def test_a_chain_in_a_chain_takes_no_longer_for_each_level() -> None:
    network, params, depth = relu, (), 60  # of which each would double the time
    for _ in range(depth):
        network, params = untyped(sequential)(network), untyped((params,))
    passed = trace(network, params, np.ones((2, 2)), dout=np.ones((2, 2)))
    assert [step.name for step in passed.layers] == ["relu"]
