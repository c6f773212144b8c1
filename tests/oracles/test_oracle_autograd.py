"""autograd: its checker accepts our layers."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from catalogue import LAYERS, Subject
from chainrule import Layer, tree

extend: Any = import_module("autograd.extend")  # it need not be installed where types are checked
test_util: Any = import_module("autograd.test_util")


def as_primitive(layer: Layer[Any, Any], params: Any) -> Any:
    """A layer as a primitive of x and its parameter arrays."""

    def forward(x: Any, *arrays: Any) -> Any:
        return np.array(layer.forward(tree.replace(params, list(arrays)), x)[0])

    def gradient_by(place: int) -> Any:
        def make(out: Any, x: Any, *arrays: Any) -> Any:
            _, cache = layer.forward(tree.replace(params, list(arrays)), x)

            def by(dout: Any) -> Any:
                return np.array(tree.leaves(layer.backward(cache, np.array(dout)))[place])

            return by

        return make

    function: Any = extend.primitive(forward)
    extend.defvjp(function, *(gradient_by(place) for place in range(1 + len(tree.leaves(params)))))
    return function


@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
def test_autograds_check_grads_accepts_our_layers(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float64)
    arrays = [np.array(leaf) for leaf in (x, *tree.leaves(params))]
    test_util.check_grads(as_primitive(subject.layer, params), modes=["rev"], order=1)(*arrays)
