"""Random networks over the whole catalogue: torch's autograd, and one pass against the plain pairs.

Network i is the same in every run of one catalogue. `make networks` tries 500.
"""

import os
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import mean_squared_error, own, prediction, sgd, training_step, tree
from networks import CANDIDATES, COMBINATIONS, Network, any_network, drawn, size_of

torch: Any = import_module("torch")  # it need not be installed where types are checked

MANY = int(os.environ.get("NETWORKS", "100"))

each_network = pytest.mark.parametrize("number", range(MANY))


@lru_cache(maxsize=MANY)
def network_of(number: int) -> Network:
    return drawn(np.random.default_rng(number))


def in_torch(network: Network) -> list[Any]:
    """The `network.results`, by torch."""
    params = [torch.tensor(np.array(leaf), requires_grad=True) for leaf in tree.leaves(network.part.params)]
    x = torch.tensor(network.x, requires_grad=not network.encodes)
    out = network.part.torch(torch, x, iter(params), 0)
    leaves = params if network.encodes else [x, *params]
    found: list[Any] = [None] * len(leaves)
    if out.requires_grad:  # else all of it is fixed
        found = torch.autograd.grad(out, leaves, torch.tensor(network.dout), allow_unused=True)
    gradients = [np.zeros(a.shape) if each is None else each.numpy() for a, each in zip(leaves, found, strict=True)]
    return [out.detach().numpy(), *gradients]


@each_network
def test_a_network_is_torchs(number: int) -> None:
    network = network_of(number)
    for ours, theirs in zip(network.results(), in_torch(network), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * size_of(theirs), err_msg=str(network.layer()))


@each_network
def test_a_step_is_that_of_the_plain_pairs(number: int) -> None:
    network, seed = network_of(number), 3
    params, seeded = network.part.params, network.part.seeds > 0
    layer = network.layer(seed)
    out, cache = layer.forward(params, network.x)
    targets = out - out.size * network.dout / 2  # so that what comes back is of the size of dout
    loss, of_loss = mean_squared_error.forward(out, targets)
    grads = layer.grads(cache, mean_squared_error.backward(of_loss, 1.0))
    assert tree.equal(prediction(layer)(params, network.x), out)
    given = tree.map(np.copy, (params, network.x, targets))
    for rate in (0.125, 0.1):
        optimizer = sgd(rate)
        state = optimizer.init(params)
        step: Any = training_step(network.layer if seeded else layer, mean_squared_error, optimizer)
        stepped, _, value = step(params, state, network.x, targets, *([seed] if seeded else []))
        expected, _ = optimizer.step(state, params, grads)
        assert tree.equal(value, loss)
        assert all(own(leaf) is leaf for leaf in tree.leaves(stepped))
        if rate == 0.125:  # it rides in dout, and a power of two rounds nothing
            assert tree.equal(stepped, expected), str(layer)
        for a, b, g in zip(tree.leaves(stepped), tree.leaves(expected), tree.leaves(grads), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * size_of(g), err_msg=str(layer))
    assert tree.equal((params, network.x, targets), given)


def test_every_layer_and_every_combinator_takes_part() -> None:
    networks = [any_network(np.random.default_rng(number)) for number in range(500)]
    shown = " ".join(repr(network.layer()) for network in networks)
    for subject in CANDIDATES:
        assert repr(subject.layer).removeprefix("Layer(").removesuffix(")") in shown, subject.name
    for combinator in COMBINATIONS:
        assert f"{combinator.__name__}(" in shown
    assert sum(network.part.seeds > 0 for network in networks) > 100
    assert sum(network.encodes for network in networks) > 50
