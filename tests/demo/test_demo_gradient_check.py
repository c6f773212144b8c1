"""The proof accepts right gradients, says where wrong ones are, and hides nothing behind a kink."""

import numpy as np
import pytest

from chainrule import Affine, Layer, sequential, tree
from chainrule.arrays.types import Array
from chainrule.demo.gradient_check import BOUNDS, NAMES, check
from chainrule.demo.networks import NETWORKS, Network
from chainrule.layers.activations.relu import relu
from chainrule.layers.affine import AffineCache, affine
from chainrule.two_layer import Params

X = np.random.default_rng(0).random((3, 5), dtype=np.float32)
LABELS = np.array([0, 1, 2])


def start(std: float = 0.5) -> Params:
    rng = np.random.default_rng(1)
    return Affine.init(rng, 5, 4, std=std), (), Affine.init(rng, 4, 3, std=std)


@pytest.mark.parametrize("activation", NETWORKS)
def test_right_gradients_are_found_right(activation: str) -> None:
    findings = check(NETWORKS[activation].network, start(), X, LABELS)
    assert [(f.verdict.law, f.verdict.field) for f in findings] == [(m, name) for m, _ in BOUNDS for name in NAMES]
    assert all(f.verdict.ok and f.kinks == 0 and f.verdict.error <= f.verdict.bound for f in findings)
    assert [f.shape for f in findings[:4]] == [(5, 4), (4,), (4, 3), (3,)]


def wrong_in_one_entry(cache: AffineCache, dout: Array) -> Affine:
    right = affine.grads(cache, dout)
    W = right.W.copy()
    W[2, 1] += 1e-6
    return Affine(W, right.b)


def test_one_wrong_entry_is_found_by_both_methods() -> None:
    broken: Network = sequential(Layer(affine.forward, affine.backward, wrong_in_one_entry), relu, affine)
    findings = check(broken, start(), X, LABELS)
    wrong = [f.verdict for f in findings if not f.verdict.ok]
    assert [(verdict.law, verdict.field) for verdict in wrong] == [("central", "W1"), ("complex", "W1")]
    assert all(verdict.index == (2, 1) for verdict in wrong)


def test_entries_at_a_kink_are_left_out_of_the_differences_and_counted() -> None:
    blank = np.concatenate([X[:2], np.zeros((1, 5), np.float32)])  # all its hidden units are exactly 0: the biases are
    findings = check(NETWORKS["relu"].network, start(), blank, LABELS)
    assert all(finding.verdict.ok for finding in findings)
    kinks = {(f.verdict.law, f.verdict.field): f.kinks for f in findings if f.kinks}
    assert kinks == {("central", "b1"): 4}


def test_a_complex_step_without_a_value_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(f: object, params: Params, *, method: str) -> Params:
        return tree.map(lambda leaf: np.full_like(leaf, np.nan), params)

    monkeypatch.setattr("chainrule.demo.gradient_check.numerical_gradient", nothing)
    findings = check(NETWORKS["relu"].network, start(), X, LABELS)
    assert [finding.verdict.law for finding in findings if not finding.verdict.ok] == ["complex"] * 4
