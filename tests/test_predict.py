import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from catalogue import LAYERS, Subject
from chainrule import Array, Unit, affine, own, prediction, read_only, relu, rules, sequential, sigmoid, tree, two_layer
from strategies import Floating, dtypes, generators, sides
from untyped import untyped


@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
@given(rng=generators, n=sides, dtype=dtypes)
def test_a_prediction_is_forward_to_the_last_bit(
    subject: Subject, rng: np.random.Generator, n: int, dtype: Floating
) -> None:
    params, x = subject.make(rng, n, dtype)
    before = tree.map(np.copy, (params, x))
    out = prediction(subject.layer)(params, x)
    assert tree.equal(out, subject.layer.forward(params, x)[0])
    assert tree.equal(before, (params, x))


def test_a_prediction_refuses_what_forward_refuses() -> None:
    params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    x = np.ones((5, 4), np.float32)
    wrong = [
        (params, x.astype(np.float64)),
        (params, x[0, 0, ...]),
        (params, x[:, :3]),
        (params, x.astype(int)),
        (params, x.tolist()),
        (params[:2], x),
        (list(params), x),
        ((params[0], (), params[0]), x),
        ((params[0], None, params[2]), x),
    ]
    for given_params, given_x in wrong:
        with pytest.raises((TypeError, ValueError)) as expected:
            two_layer.network.forward(untyped(given_params), untyped(given_x))
        with pytest.raises(type(expected.value)) as got:
            prediction(two_layer.network)(untyped(given_params), untyped(given_x))
        assert str(got.value) == str(expected.value)
        assert getattr(got.value, "__notes__", []) == getattr(expected.value, "__notes__", [])
    hint = re.escape("network must be a Layer or an Encoder, got a tuple of 2: unpack it, as sequential(*layers)")
    with pytest.raises(TypeError, match=f"^prediction: {hint}$"):
        prediction(untyped((affine, relu)))


def test_a_prediction_is_what_the_last_layer_made_and_no_copy_of_it() -> None:
    made: list[Array] = []

    def forward(xp: rules.Namespace, params: Unit, x: Array) -> tuple[Array, Unit]:
        made.append(x + 1)
        return made[-1], ()

    def backward(xp: rules.Namespace, cache: Unit, dout: Array, wants_dx: bool) -> tuple[Array, Unit]:
        return dout, ()

    network = sequential(relu, rules.layer("increment", (), forward, backward))
    out = prediction(network)(((), ()), np.ones((2, 3)))
    assert out is made[0]
    assert not out.flags.writeable


def test_a_prediction_shares_nothing_with_what_it_was_given() -> None:
    x = np.full((2, 3), 2.0)
    for network, params in ((relu, ()), (sequential(), ()), (sequential(relu, relu), ((), ()))):
        out = prediction(untyped(network))(params, x)
        assert not np.shares_memory(out, x)
        assert own(out) is out  # nobody can write to it


def test_a_prediction_keeps_no_caches() -> None:
    deep = sequential(*[sigmoid] * 20)
    x = read_only(np.zeros((256, 1024)))
    predict = prediction(deep)
    predict(((),) * 20, x)
    tracemalloc.start()
    predict(((),) * 20, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * x.nbytes  # an input, an output and a slope; twenty slopes were 20
