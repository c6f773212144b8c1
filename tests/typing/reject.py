"""Mistakes that a type checker finds: mypy and pyright report the lines that say so, and no others."""

from typing import TypeAlias

import numpy as np
from attrs import frozen

from chainrule import (
    Affine,
    Array,
    Encoder,
    Labels,
    Layer,
    Loss,
    Objective,
    Targets,
    Unit,
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
    prediction,
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
from chainrule.layers.affine import AffineCache
from chainrule.optimizer import State
from chainrule.rules.elementwise_layers import Saved
from chainrule.rules.losses import Slopes

Params: TypeAlias = tuple[Affine, Unit, Affine]
Caches: TypeAlias = tuple[AffineCache, Saved, AffineCache]

network = sequential(affine, relu, affine)
gradient = value_and_grad(network, softmax_cross_entropy)
optimizer = sgd(0.1)
step = training_step(network, softmax_cross_entropy, optimizer)


def arguments_of_a_layer(params: Affine, cache: AffineCache, x: Array, dout: Array) -> None:
    affine.forward(x)  # rejected: the parameters are missing
    affine.forward(x, params)  # rejected: the parameters come first
    affine.forward((), x)  # rejected: these are the parameters of a layer that has none
    affine.forward((params,), x)  # rejected: a tuple of parameters is a network's
    affine.forward(cache, x)  # rejected: a cache is no parameters, though it has a W
    affine.forward(params, [[1.0, 2.0]])  # rejected: a list is no array
    affine.forward(params, np.arange(6))  # rejected: integers are no floats
    affine.forward(params, x, cache)  # rejected: nothing is handed in to be filled
    relu.forward(params, x)  # rejected: ReLU has no parameters
    relu.forward(None, x)  # rejected: no parameters are ()
    affine(params, x)  # rejected: a layer is a pair of functions, not a function
    affine.backward(params, dout)  # rejected: backward takes the cache
    affine.backward(dout, cache)  # rejected: the cache comes first
    affine.backward(cache)  # rejected: backward starts from dout
    relu.backward(cache, dout)  # rejected: the cache of another layer
    affine.backward(cache, 1.0)  # rejected: dout has the shape of out
    affine.forward(params, x).sum()  # rejected: forward returns the cache too
    affine.grads(cache, dout)[1].W.sum()  # rejected: grads returns no dx


def parameters(rng: np.random.Generator, params: Affine, W: Array) -> None:
    Affine(W)  # rejected: the bias is missing
    Affine(W=W, bias=W)  # rejected: it is named b
    Affine([[1.0]], [0.0])  # rejected: lists are no arrays
    Affine.init(0, 784, 50)  # rejected: a seed is no Generator
    Affine.init(rng, 784)  # rejected: the number of outputs is missing
    Affine.init(rng, 784, 50, 0.01)  # rejected: std is named
    Affine.init(rng, "784", 50)  # rejected: a size is a number
    params.W = W  # rejected: a record is frozen
    params.w.sum()  # rejected: it is named W
    params["W"].sum()  # rejected: a record is no dict
    affine.forward = affine.forward  # rejected: a layer is frozen


def parameters_of_a_network(params: Params, caches: Caches, one: Affine, x: Array, dout: Array) -> None:
    network.forward((one, one, one), x)  # rejected: entry 1 belongs to ReLU, which has none
    network.forward((one, one), x)  # rejected: an entry for each layer, () for ReLU's
    network.forward((one, (), one, ()), x)  # rejected: more entries than layers
    network.forward([one, (), one], x)  # rejected: a list is no tuple
    network.forward({"W1": one.W, "b1": one.b}, x)  # rejected: a dict of arrays has no order of layers
    network.forward(caches, x)  # rejected: caches are no parameters
    network.backward(params, dout)  # rejected: parameters are no caches
    network.backward(network.grads(caches, dout), dout)  # rejected: gradients are no caches
    network.grads(caches, dout)[1].W.sum()  # rejected: the gradients of ReLU are ()
    network.grads(caches, dout)[3]  # rejected: three layers have three entries
    caches[0].b.sum()  # rejected: the cache keeps x and W, not b
    sequential(network, relu).forward(params, x)  # rejected: a nested network's parameters are nested


def composition() -> None:
    sequential(affine, relu, affine.forward)  # rejected: a function is no layer
    sequential([affine, relu, affine])  # rejected: layers are arguments, not a list
    sequential("affine", "relu")  # rejected: layers are values, not names
    sequential(affine, sigmoid, softmax_cross_entropy)  # rejected: a loss is no layer


def a_list_of_layers(layers: list[Layer[Affine, AffineCache]], one: Affine, x: Array, dout: Array) -> None:
    deep = sequential(*layers)
    deep.forward(one, x)  # rejected: the parameters are a tuple, of how many is not known
    deep.forward([one, one], x)  # rejected: and no list
    caches = deep.forward((one, one), x)[1]
    deep.backward(caches, dout)[1][0].W.sum()  # rejected: nobody knows what the parts' gradients are
    sequential(*layers, relu.forward)  # rejected: a function is no layer
    sequential(layers)  # rejected: layers are arguments: *layers


seam: Layer[tuple[Affine, Unit], tuple[AffineCache, Saved]] = sequential(affine, affine)  # rejected: 2 is no ReLU


def losses(params: Params, logits: Array, labels: Labels, cache: Saved, own: Slopes) -> None:
    softmax_cross_entropy.forward(logits, [0, 1, 2])  # rejected: a list is no array of labels
    softmax_cross_entropy.forward(logits, [0.5, 0.5])  # rejected: nor of probabilities
    softmax_cross_entropy.forward(logits, "seven")  # rejected: a label is a number
    softmax_cross_entropy.forward(logits, None)  # rejected: a loss needs targets
    softmax_cross_entropy.forward(labels, logits)  # rejected: the logits come first, and are floats
    softmax_cross_entropy.backward(cache, 1.0)  # rejected: the cache of a layer
    softmax_cross_entropy.backward(own)  # rejected: dloss is an argument, if only 1.0
    softmax_cross_entropy.backward(own, "mean")  # rejected: dloss is a number
    accuracy(logits, 7)  # rejected: targets are an array
    accuracy(labels, labels)  # rejected: predictions are logits
    two_layer.loss(params, logits)  # rejected: the targets are missing
    two_layer.init(0, 784, 50, 10)  # rejected: a seed is no Generator
    two_layer.predict(params[0], logits)  # rejected: one layer's parameters for two


def gradients(params: Params, one: Affine, x: Array, labels: Labels) -> None:
    _loss, _grads, _caches = gradient(params, x, labels)  # rejected: it returns the loss and the gradient
    gradient(params, x)  # rejected: the targets are missing
    gradient(params, labels, x)  # rejected: x is the floats
    gradient(x, params, labels)  # rejected: the parameters come first
    gradient(params, x, labels)[1][1].b.sum()  # rejected: the gradients of ReLU are ()
    gradient(params, x, labels)[0].W.sum()  # rejected: the loss comes first
    value_and_grad(softmax_cross_entropy, network)  # rejected: the network comes first
    value_and_grad(network)  # rejected: a gradient is a loss's
    numerical_gradient(squares, params, method="forward")  # rejected: central or complex
    numerical_gradient(squares, params, "central")  # rejected: the method is named
    numerical_gradient(squares, one)  # rejected: f is a function of other parameters
    numerical_gradient(params, squares)  # rejected: f comes first
    prediction(network)(one, x)  # rejected: one layer's parameters for those of a network
    directional_derivative(squares, params, one)  # rejected: the direction is no tree like params
    numerical_gradient(pieces, params)  # rejected: f returns one number
    numerical_gradient(squares, params)[1].W.sum()  # rejected: the gradients of ReLU are ()
    numerical_gradient(Objective(network, softmax_cross_entropy, x, labels), one)  # rejected: not the network's
    Objective(network, softmax_cross_entropy, x)  # rejected: the targets are missing
    Objective(network, softmax_cross_entropy, x, "seven")  # rejected: nor are they a string


def checks(rng: np.random.Generator, params: Params, one: Affine, x: Array, labels: Labels) -> None:
    check_layer(affine, one, x)  # rejected: where random numbers come from is an argument
    check_layer(affine, params, x, rng=rng)  # rejected: the parameters of a network
    check_layer(affine.forward, one, x, rng=rng)  # rejected: half a layer
    check_layer(softmax_cross_entropy, (), x, rng=rng)  # rejected: a loss is no layer
    check_loss(softmax_cross_entropy, x, "seven", rng=rng)  # rejected: targets are an array
    check_network(network, softmax_cross_entropy, one, x, labels, rng=rng)  # rejected: not the network's
    check_optimizer(sgd, params, params, rng=rng)  # rejected: sgd makes one
    check_layer(affine, one, x, rng=rng).failures.append("none")  # rejected: a report is a value


def squares(params: Params) -> float:
    return float(np.sum(params[0].W ** 2) + np.sum(params[2].W ** 2))


def pieces(params: Params) -> tuple[float, float]:
    return 0.0, 0.0


def training(
    rng: np.random.Generator, params: Params, other: tuple[Affine, Unit], one: Affine, x: Array, labels: Labels
) -> None:
    sgd("fast")  # rejected: a rate is a number
    sgd()  # rejected: there is no rate for everything
    optimizer.learning_rate = 0.01  # rejected: an optimizer is frozen
    state = optimizer.init(params)
    optimizer.step(state, params, one)  # rejected: gradients have the type of the parameters
    optimizer.step(state, params, other)  # rejected: the gradients of another network
    optimizer.step(optimizer.init(other), params, params)  # rejected: the state of another network
    optimizer.step(params, params, params)  # rejected: the state comes first
    optimizer.step((), params, params)  # rejected: and comes from init
    training_step(network, softmax_cross_entropy, 0.1)  # rejected: a rate is no optimizer
    training_step(network, softmax_cross_entropy, sgd)  # rejected: sgd makes one
    step(params, None, x, labels)  # rejected: the state is what init gives
    step(params, (), x, labels)  # rejected: which is not ()
    step(params, optimizer.init(other), x, labels)  # rejected: nor that of another network
    step(params, x, labels)  # rejected: the state is an argument
    step(state, params, x, labels)  # rejected: the parameters come first
    params, _loss = step(params, state, x, labels)  # rejected: the new state is returned too
    training_step(network, softmax_cross_entropy, optimizer, adjust=0.5)  # rejected: adjust is a function
    training_step(network, softmax_cross_entropy, optimizer, adjust=squares)  # rejected: of gradients, to gradients
    training_step(network, softmax_cross_entropy, optimizer, squares)  # rejected: adjust is named
    minibatches(0, x, labels, 32)  # rejected: a seed is no Generator
    minibatches(rng, x, [0, 1], 32)  # rejected: a list is no array
    minibatches(rng, x, labels)  # rejected: the size is missing


def encode(params: Array, x: Labels) -> tuple[Array, tuple[Array, Labels]]:
    return params[x], (params, x)


def encode_grads(cache: tuple[Array, Labels], dout: Array) -> Array:
    return np.zeros_like(cache[0])


def encoders(params: Array, tokens: Labels, x: Array, labels: Labels, of_another: State[Affine]) -> None:
    encoder = Encoder(encode, encode_grads)
    encoder.backward(encoder.forward(params, tokens)[1], x)  # rejected: tokens have no derivative
    encoder.forward(params, x)  # rejected: floats are no tokens
    value_and_grad(encoder, softmax_cross_entropy)(params, x, labels)  # rejected: nor in a network
    value_and_grad(encoder, softmax_cross_entropy)((), tokens, labels)  # rejected: the parameters are an array
    prediction(encoder)(params, x)  # rejected: nor are they tokens here
    sequential(encoder, affine)  # rejected: an encoder is no layer
    training_step(encoder, softmax_cross_entropy, optimizer)(params, of_another, tokens, labels)  # rejected: its state
    Encoder(encode)  # rejected: an encoder has gradients
    Encoder(encode, backward)  # rejected: gradients alone, without dx


def looks(params: Params, one: Affine, x: Array, labels: Labels) -> None:
    network = sequential(affine, relu, affine)
    trace(network, one, x)  # rejected: parameters of one layer for a network
    trace(network, params, x, softmax_cross_entropy)  # rejected: a loss needs targets
    trace(network, params, x, targets=labels)  # rejected: targets need a loss
    trace(network, params, x, softmax_cross_entropy, [0, 1])  # rejected: a list is no array
    trace(network, params, x, softmax_cross_entropy, labels, dout=x)  # rejected: dout comes from the loss
    trace(network, params, x, x)  # rejected: dout is named
    seen = trace(network, params, x)
    float(seen.loss.loss.mean)  # rejected: there may be no loss
    str(seen.first_nonfinite.where)  # rejected: there may be none
    seen.x = seen.out  # rejected: @frozen
    draw(network, one)  # rejected: parameters of one layer for a network
    draw(seen, params)  # rejected: a trace has its parameters
    draw(params)  # rejected: parameters are no network
    draw(network, x)  # rejected: an array is no parameters of a network
    draw(seen, width="wide")  # rejected: a width is a number
    draw(seen).save(seen)  # rejected: a trace is no path


def trees(params: Params, one: Affine) -> Affine:
    tree.map(np.add, one)  # rejected: a function of two arrays over one tree
    tree.map(lambda leaf: leaf.shape, one)  # rejected: what is mapped stays a tree of arrays
    tree.leaves(params)[0].W.sum()  # rejected: leaves are arrays
    tree.replace(one, one)  # rejected: replace takes a list of arrays
    tree.ravel(one)[1](one)  # rejected: the way back begins at a vector
    return tree.map(np.add, one, params)  # rejected: two trees of different types


@frozen(eq=False)
@record
class Scale:
    factor: Array


def forward(params: Scale, x: Array) -> tuple[Array, Array]:
    return params.factor * x, x


def backward(cache: Array, dout: Array) -> tuple[Array, Scale]:
    return dout, Scale(cache * dout)


def backward_without_grads(cache: Array, dout: Array) -> Array:
    return dout


def backward_to_an_array(cache: Array, dout: Array) -> tuple[Array, Array]:
    return dout, cache * dout


def backward_of_params(params: Scale, dout: Array) -> tuple[Array, Scale]:
    return dout, params


def rows(out: Array, targets: Targets) -> Array:
    return out


def layers_and_losses_from_scratch(factor: Array) -> None:
    Layer(forward)  # rejected: a layer has a backward
    Layer(forward, backward_without_grads)  # rejected: backward returns the gradients too
    Layer(forward, backward_to_an_array)  # rejected: the gradients have the type of the parameters
    Layer(forward, backward_of_params)  # rejected: backward takes the cache that forward returns
    Layer(affine.forward, relu.backward)  # rejected: halves of two layers
    Layer(affine.forward, affine.backward, relu.grads)  # rejected: grads is of another layer
    Loss(softmax_cross_entropy.forward, rows, rows)  # rejected: a loss goes backward from its own cache
    Scale()  # rejected: a field is missing
    Scale(factor, factor)  # rejected: there is one field
    Scale(factor).factor = factor  # rejected: @frozen
