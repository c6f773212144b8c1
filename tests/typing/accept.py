"""Code as users write it: mypy and pyright take every line, and infer these types exactly."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar, assert_type

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule import (
    Affine,
    Array,
    Encoder,
    Labels,
    Layer,
    Loss,
    Network,
    Objective,
    Optimizer,
    Report,
    Targets,
    Unit,
    Verdict,
    accuracy,
    affine,
    check_layer,
    check_loss,
    check_network,
    check_optimizer,
    directional_derivative,
    draw,
    minibatches,
    numerical_gradient,
    own,
    prediction,
    read_only,
    record,
    relu,
    sequential,
    sgd,
    sigmoid,
    softmax_cross_entropy,
    trace,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.datasets import Dataset, digits, load_idx, load_mnist
from chainrule.inspecting.drawing.drawing import Drawing
from chainrule.inspecting.tracing.quantity import Quantity
from chainrule.inspecting.tracing.records import LayerTrace, LossTrace, Trace
from chainrule.layers.affine import AffineCache
from chainrule.optimizer import State
from chainrule.rules.elementwise_layers import Saved
from chainrule.rules.losses import Slopes
from chainrule.rules.optimizers import ArrayOptimizer

P = TypeVar("P")
C = TypeVar("C")
S = TypeVar("S")

A: TypeAlias = Affine
U: TypeAlias = Unit
AC: TypeAlias = AffineCache
SC: TypeAlias = Saved
Params: TypeAlias = tuple[Affine, Unit, Affine]
Caches: TypeAlias = tuple[AffineCache, Saved, AffineCache]


# Layers and losses


def a_layer(params: Affine, x: Array, dout: Array) -> None:
    assert_type(affine, Layer[Affine, AffineCache])
    assert_type(affine.forward(params, x), tuple[Array, AffineCache])
    out, cache = affine.forward(params, x)
    assert_type(out, Array)
    assert_type(cache.x, Array)
    assert_type(affine.backward(cache, dout), tuple[Array, Affine])
    assert_type(affine.grads(cache, dout), Affine)
    assert_type(affine.grads(cache, dout).W, Array)
    assert_type(affine.couples_rows, bool)


def layers_without_parameters(x: Array, dout: Array) -> None:
    assert_type(relu, Layer[Unit, Saved])
    assert_type(relu.forward((), x), tuple[Array, Saved])
    assert_type(relu.grads(relu.forward((), x)[1], dout), Unit)
    assert_type(sigmoid, Layer[Unit, Saved])
    assert_type(sigmoid.backward(sigmoid.forward((), x)[1], dout), tuple[Array, Unit])


def parameters(rng: np.random.Generator, params: Affine) -> None:
    assert_type(Affine.init(rng, 784, 50), Affine)
    assert_type(Affine.init(rng, 784, 50, std=0.01, dtype=np.float64), Affine)
    assert_type(Affine(W=np.ones((3, 2), np.float32), b=np.zeros(2, np.float32)), Affine)
    assert_type(params.W, Array)
    assert_type(attrs.evolve(params, W=2 * params.W), Affine)
    assert_type(read_only(params.b), Array)
    assert_type(own(params.b), Array)


def a_loss(logits: Array, labels: Labels, probabilities: Array, targets: Targets) -> None:
    assert_type(softmax_cross_entropy, Loss[Targets, Slopes])
    assert_type(softmax_cross_entropy.forward(logits, labels), tuple[Array, Slopes])
    assert_type(softmax_cross_entropy.rows(logits, probabilities), Array)
    loss, cache = softmax_cross_entropy.forward(logits, targets)
    assert_type(softmax_cross_entropy.backward(cache, 1.0), Array)
    assert_type(softmax_cross_entropy.backward(cache, loss), Array)
    assert_type(accuracy(logits, labels), float)
    assert_type(accuracy(logits, probabilities), float)


# Composition


def exactly_up_to_ten_layers() -> None:
    assert_type(sequential(), Layer[Unit, Unit])
    assert_type(sequential(affine), Layer[tuple[A], tuple[AC]])
    assert_type(sequential(affine, relu), Layer[tuple[A, U], tuple[AC, SC]])
    assert_type(sequential(affine, relu, affine), Layer[tuple[A, U, A], tuple[AC, SC, AC]])
    assert_type(
        sequential(affine, relu, affine, relu),
        Layer[tuple[A, U, A, U], tuple[AC, SC, AC, SC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine),
        Layer[tuple[A, U, A, U, A], tuple[AC, SC, AC, SC, AC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine, relu),
        Layer[tuple[A, U, A, U, A, U], tuple[AC, SC, AC, SC, AC, SC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine, relu, affine),
        Layer[tuple[A, U, A, U, A, U, A], tuple[AC, SC, AC, SC, AC, SC, AC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine, relu, affine, relu),
        Layer[tuple[A, U, A, U, A, U, A, U], tuple[AC, SC, AC, SC, AC, SC, AC, SC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine, relu, affine, relu, affine),
        Layer[tuple[A, U, A, U, A, U, A, U, A], tuple[AC, SC, AC, SC, AC, SC, AC, SC, AC]],
    )
    assert_type(
        sequential(affine, relu, affine, relu, affine, relu, affine, relu, affine, relu),
        Layer[tuple[A, U, A, U, A, U, A, U, A, U], tuple[AC, SC, AC, SC, AC, SC, AC, SC, AC, SC]],
    )


def as_objects_beyond_ten(layers: list[Layer[Affine, AffineCache]]) -> None:
    deep = sequential(affine, relu, affine, relu, affine, relu, affine, relu, affine, relu, affine)
    assert_type(deep, Layer[tuple[object, ...], tuple[object, ...]])
    assert_type(sequential(*layers), Layer[tuple[object, ...], tuple[object, ...]])


def nested(params: tuple[Params, Unit, tuple[Affine]], x: Array, dout: Array) -> None:
    network = sequential(sequential(affine, relu, affine), sigmoid, sequential(affine))
    assert_type(network, Layer[tuple[Params, Unit, tuple[Affine]], tuple[Caches, Saved, tuple[AffineCache]]])
    caches = network.forward(params, x)[1]
    assert_type(caches[0][1].value, Array)
    assert_type(network.grads(caches, dout)[0][2].b, Array)


def a_network(params: Params, x: Array, dout: Array) -> None:
    network = sequential(affine, relu, affine)
    assert_type(network.forward(params, x), tuple[Array, Caches])
    caches = network.forward(params, x)[1]
    assert_type(network.backward(caches, dout), tuple[Array, Params])
    assert_type(network.grads(caches, dout), Params)
    first, nothing, last = network.grads(caches, dout)
    assert_type(first, Affine)
    assert_type(nothing, Unit)
    assert_type(last.W, Array)


def networks_of_any_kind(network: Layer[P, C], optimizer: Optimizer[P, S], params: P, x: Array, labels: Labels) -> P:
    assert_type(sequential(network, relu), Layer[tuple[P, Unit], tuple[C, Saved]])
    assert_type(value_and_grad(network, softmax_cross_entropy)(params, x, labels), tuple[Array, P])
    step = training_step(network, softmax_cross_entropy, optimizer)
    assert_type(step, Callable[[P, S, Array, Targets], tuple[P, S, Array]])
    return step(params, optimizer.init(params), x, labels)[0]


# Gradients


def by_backpropagation(params: Params, x: Array, labels: Labels, targets: Targets) -> None:
    gradient = value_and_grad(sequential(affine, relu, affine), softmax_cross_entropy)
    assert_type(gradient, Callable[[Params, Array, Targets], tuple[Array, Params]])
    assert_type(gradient(params, x, labels), tuple[Array, Params])
    loss, grads = gradient(params, x, targets)
    assert_type(loss, Array)
    assert_type(float(loss), float)
    assert_type(grads[0].W, Array)


def squares(params: Affine) -> float:
    return float(np.sum(params.W * params.W))


def by_differences(params: Affine, x: Array, labels: Labels, trees: Params) -> None:
    assert_type(numerical_gradient(squares, params), Affine)
    assert_type(numerical_gradient(squares, params, method="complex"), Affine)
    assert_type(numerical_gradient(lambda p: (p.W * p.W).sum(), params), Affine)
    assert_type(numerical_gradient(lambda p: (p[0].W * p[2].b).sum(), trees, method="central"), Params)
    assert_type(numerical_gradient(lambda p: (p * p).sum(), x), Array)
    assert_type(numerical_gradient(lambda p: relu.forward((), p)[0].sum(), x), Array)
    objective = Objective(two_layer.network, softmax_cross_entropy, x, labels)
    assert_type(objective(trees), Array)
    assert_type(numerical_gradient(objective, trees), Params)
    assert_type(prediction(two_layer.network)(trees, x), Array)
    assert_type(directional_derivative(objective, trees, trees, method="complex"), float)
    assert_type(numerical_gradient(Objective(affine, softmax_cross_entropy, x, labels), params), Affine)


def checks(rng: np.random.Generator, params: Affine, trees: Params, x: Array, labels: Labels) -> None:
    report = check_layer(affine, params, x, rng=rng)
    assert_type(report, Report)
    assert_type(report.ok, bool)
    assert_type(report.failures, tuple[Verdict, ...])
    assert_type(check_layer(sequential(affine, relu, affine), trees, x, rng=rng), Report)
    assert_type(check_loss(softmax_cross_entropy, x, labels, rng=rng), Report)
    assert_type(check_network(two_layer.network, softmax_cross_entropy, trees, x, labels, rng=rng), Report)
    unnamed: Network[Params] = two_layer.network
    assert_type(check_network(unnamed, softmax_cross_entropy, trees, x, labels, rng=rng), Report)
    assert_type(check_optimizer(sgd(0.1), trees, trees, rng=rng), Report)


# Looking inside


def a_look(params: Params, x: Array, labels: Labels, targets: Targets, path: Path) -> None:
    network = sequential(affine, relu, affine)
    assert_type(trace(network, params, x), Trace)
    assert_type(trace(network, params, x, dout=x), Trace)
    assert_type(trace(network, params, x, loss=softmax_cross_entropy, targets=targets), Trace)
    assert_type(trace(relu, (), x, squared_error, x), Trace)
    seen = trace(network, params, x, softmax_cross_entropy, labels)
    assert_type(seen.layers, tuple[LayerTrace, ...])
    assert_type(seen.layers[0].out.mean, float)
    assert_type(seen.layers[0].forward_operations, int | None)
    assert_type(seen.loss, LossTrace | None)
    assert_type(seen.cache_bytes, int)
    assert_type(seen.first_nonfinite, Quantity | None)
    picture = draw(seen)
    assert_type(picture, Drawing)
    assert_type(draw(network), Drawing)
    assert_type(draw(network, params, width=600, numbers=False, title="a network"), Drawing)
    assert_type((picture.svg, picture.mermaid, picture.title, picture.description), tuple[str, str, str, str])
    picture.save(path)
    picture.save("network.svg")


# Training


def a_step(params: Params, x: Array, labels: Labels) -> None:
    optimizer = sgd(0.1)
    assert_type(optimizer, ArrayOptimizer)
    assert_type(optimizer.init(params), State[Params])
    assert_type(optimizer.step(optimizer.init(params), params, params), tuple[Params, State[Params]])
    assert_type(sgd(lambda count: 0.1 / (count + 1), momentum=0.9), ArrayOptimizer)
    step = training_step(sequential(affine, relu, affine), softmax_cross_entropy, optimizer)
    assert_type(step, Callable[[Params, State[Params], Array, Targets], tuple[Params, State[Params], Array]])
    params, state, loss = step(params, optimizer.init(params), x, labels)
    assert_type(params, Params)
    assert_type(state, State[Params])
    assert_type(state.moments, tuple[Params, ...])
    assert_type(loss, Array)
    clipped = training_step(network_of(0), softmax_cross_entropy, optimizer, adjust=halved)
    assert_type(clipped(params, state, x, labels), tuple[Params, State[Params], Array])


def halved(grads: Params) -> Params:
    return tree.map(lambda leaf: leaf / 2, grads)


def network_of(seed: int) -> Layer[Params, Caches]:
    return two_layer.network


def a_step_of_a_network_of_a_seed(params: Params, x: Array, labels: Labels) -> None:
    optimizer = sgd(0.1)
    step = training_step(network_of, softmax_cross_entropy, optimizer)
    assert_type(step(params, optimizer.init(params), x, labels, 7), tuple[Params, State[Params], Array])


def scores_forward(params: Array, x: Labels) -> tuple[Array, tuple[Array, Labels]]:
    return params[x], (params, x)


def scores_grads(cache: tuple[Array, Labels], dout: Array) -> Array:
    return np.zeros_like(cache[0])


def an_encoder(params: Array, tokens: Labels, labels: Labels) -> None:
    scores = Encoder(scores_forward, scores_grads)
    assert_type(scores, Encoder[Array, tuple[Array, Labels], Labels])
    gradient = value_and_grad(scores, softmax_cross_entropy)
    assert_type(gradient, Callable[[Array, Labels, Targets], tuple[Array, Array]])
    assert_type(prediction(scores)(params, tokens), Array)
    optimizer = sgd(0.1)
    step = training_step(scores, softmax_cross_entropy, optimizer)
    assert_type(step(params, optimizer.init(params), tokens, labels), tuple[Array, State[Array], Array])


def an_epoch(rng: np.random.Generator, params: Params, x: Array, targets: Targets) -> Params:
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(0.1))
    state = sgd(0.1).init(params)
    assert_type(state, State[Params])
    for batch_x, batch_targets in minibatches(rng, x, targets, 100):
        assert_type(batch_x, Array)
        assert_type(batch_targets, Targets)
        params, state, _ = step(params, state, batch_x, batch_targets)
    return params


def batches(rng: np.random.Generator, x: Array, labels: Labels, bytes_: NDArray[np.uint8], one: Affine) -> None:
    assert_type(minibatches(rng, x, labels, 32), Iterator[tuple[Array, Labels]])
    assert_type(minibatches(rng, x, bytes_, 32), Iterator[tuple[Array, NDArray[np.uint8]]])
    assert_type(minibatches(rng, x, x, 32), Iterator[tuple[Array, Array]])
    assert_type(minibatches(rng, (x, labels), one, 32), Iterator[tuple[tuple[Array, Labels], Affine]])
    assert_type(minibatches(rng, x, labels, 32, skip=7), Iterator[tuple[Array, Labels]])


def trees_of_arrays(params: Params, grads: Params, many: list[Params], mean: Callable[..., Array]) -> None:
    assert_type(tree.map(np.zeros_like, params), Params)
    assert_type(tree.map(lambda leaf: 2 * leaf, params), Params)
    assert_type(tree.map(np.add, params, grads), Params)
    assert_type(tree.map(lambda param, grad: param - 0.1 * grad, params, grads), Params)
    assert_type(tree.map(mean, params, grads, params), Params)
    assert_type(tree.map(mean, params, *many), Params)
    assert_type(tree.leaves(params), list[Array])
    assert_type(tree.named_leaves(params), list[tuple[str, Array]])
    assert_type(tree.replace(params, tree.leaves(grads)), Params)
    assert_type(tree.equal(params, grads), bool)
    assert_type(tree.dot(params, grads), float)
    vector, unravel = tree.ravel(params)
    assert_type(vector, Array)
    assert_type(unravel(vector), Params)


def the_two_layer_network(rng: np.random.Generator, x: Array, labels: Labels) -> None:
    params = two_layer.init(rng, 784, 50, 10)
    assert_type(params, two_layer.Params)
    assert_type(params, Params)
    assert_type(two_layer.init(rng, 784, 50, 10, std=0.1, dtype=np.float64), Params)
    assert_type(two_layer.network, Layer[Params, Caches])
    assert_type(two_layer.predict(params, x), Array)
    assert_type(two_layer.loss(params, x, labels), Array)
    assert_type(two_layer.accuracy(params, x, labels), float)
    assert_type(two_layer.gradient(params, x, labels), Params)
    assert_type(two_layer.numerical_gradient(params, x, labels), Params)
    assert_type(two_layer.numerical_gradient(params, x, labels, method="complex"), Params)


def data_sets(path: Path) -> None:
    assert_type(digits(), Dataset)
    assert_type(digits().train.x, Array)
    assert_type(digits().test.labels, Labels)
    assert_type(digits().image_shape, tuple[int, int])
    assert_type(load_mnist(path), Dataset)
    assert_type(load_idx("t10k-labels-idx1-ubyte"), NDArray[np.integer[Any] | np.floating[Any]])


# A layer, a loss and optimizers from scratch


@frozen(eq=False)
@record
class Scale:
    factor: Array


@frozen(eq=False)
@record
class ScaleCache:
    x: Array
    factor: Array


def scale_forward(params: Scale, x: Array) -> tuple[Array, ScaleCache]:
    return x * params.factor, ScaleCache(x, params.factor)


def scale_backward(cache: ScaleCache, dout: Array) -> tuple[Array, Scale]:
    return dout * cache.factor, scale_grads(cache, dout)


def scale_grads(cache: ScaleCache, dout: Array) -> Scale:
    return Scale(factor=np.add.reduce(dout * cache.x, axis=0))


scale = Layer(scale_forward, scale_backward)
assert_type(scale, Layer[Scale, ScaleCache])
assert_type(Layer(scale_forward, scale_backward, scale_grads), Layer[Scale, ScaleCache])
assert_type(Layer(scale_forward, scale_backward, couples_rows=False), Layer[Scale, ScaleCache])


def squared_error_rows(out: Array, targets: Array) -> Array:
    losses: Array = ((out - targets) ** 2).mean(axis=1)
    return losses


def squared_error_forward(out: Array, targets: Array) -> tuple[Array, Array]:
    return np.asarray(squared_error_rows(out, targets).mean()), out - targets


def squared_error_backward(error: Array, dloss: Array | float) -> Array:
    return error * (2 * dloss / error.size)


squared_error = Loss(squared_error_forward, squared_error_backward, squared_error_rows)
assert_type(squared_error, Loss[Array, Array])


@frozen(eq=False)
class Velocity(Generic[P]):
    """A state that has the type of the parameters in it."""

    mean: P
    steps: int


@frozen
class Momentum:
    rate: float

    def init(self, params: P) -> Velocity[P]:
        return Velocity(tree.map(np.zeros_like, params), 0)

    def step(self, state: Velocity[P], params: P, grads: P) -> tuple[P, Velocity[P]]:
        mean = tree.map(lambda old, grad: 0.9 * old + grad, state.mean, grads)
        return tree.map(lambda param, v: param - self.rate * v, params, mean), Velocity(mean, state.steps + 1)


def all_of_them_together(rng: np.random.Generator, x: Array, y: Array) -> None:
    network = sequential(affine, scale)
    params = (Affine.init(rng, 4, 3), Scale(np.ones(3, np.float32)))
    optimizer = Momentum(0.1)
    state = optimizer.init(params)
    assert_type(state, Velocity[tuple[Affine, Scale]])
    assert_type(value_and_grad(network, squared_error)(params, x, y), tuple[Array, tuple[Affine, Scale]])
    step = training_step(network, squared_error, optimizer)
    params, state, loss = step(params, state, x, y)
    assert_type(params[1].factor, Array)
    assert_type(state.mean, tuple[Affine, Scale])
    assert_type(loss, Array)
    assert_type(numerical_gradient(Objective(network, squared_error, x, y), params), tuple[Affine, Scale])
    assert_type(check_layer(scale, params[1], x, rng=rng), Report)
    assert_type(check_loss(squared_error, x, y, rng=rng), Report)
    assert_type(check_optimizer(optimizer, params, params, rng=rng), Report)


def one_of_several_optimizers(params: Params) -> None:
    plain: Optimizer[Params, State[Params]] = sgd(0.1)
    heavy: Optimizer[Params, Velocity[Params]] = Momentum(0.1)
    assert_type(plain.init(params), State[Params])
    assert_type(heavy.step(heavy.init(params), params, params), tuple[Params, Velocity[Params]])
