"""A layer is called what its module calls it, or what its function is called: in messages, copies and help."""

import copy
import inspect
import pickle
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest

import chainrule
from chainrule import (
    Array,
    Layer,
    Loss,
    Objective,
    Unit,
    add,
    affine,
    dropout,
    inference,
    layer_norm,
    mean_squared_error,
    relu,
    residual,
    rules,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tied,
    tree,
)
from chainrule.naming import name_of, paged, title_of
from untyped import untyped


def forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    return dout, ()


def swish_forward(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def _scaled(rate: float, name: str, mask: Array, params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def leaky(rate: float) -> Layer[Unit, Array]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return rate * x, x

    return Layer(forward, backward)


class Tanh:
    def forward(self, params: Unit, x: Array) -> tuple[Array, Array]:
        return x, x


class Functor:
    def __call__(self, params: Unit, x: Array) -> tuple[Array, Array]:
        return x, x


identity = Layer(forward, backward)
_hidden = Layer(swish_forward, backward)


def test_the_librarys_own() -> None:
    assert [name_of(each) for each in (affine, relu, sigmoid)] == ["affine", "relu", "sigmoid"]
    assert name_of(softmax_cross_entropy) == "softmax_cross_entropy"
    assert name_of(sequential(affine)) == "sequential"


def test_a_name_in_the_functions_module_comes_first() -> None:
    assert name_of(identity) == "identity"
    assert name_of(_hidden) == "swish"


def test_functions_name_layers_that_nobody_named() -> None:
    assert name_of(Layer(forward, backward, couples_rows=True)) == "identity"  # the same forward
    assert name_of(leaky(0.1)) == "leaky"
    assert name_of(Layer(Tanh().forward, backward)) == "Tanh"
    assert name_of(Layer(Functor(), backward)) == "Functor"
    assert name_of(Layer(lambda params, x: (x, x), backward)) == "test_functions_name_layers_that_nobody_named"
    loss: Loss[Array, Array] = Loss(lambda out, t: (out, out), lambda c, d: c, lambda out, t: out)
    assert name_of(loss).startswith("test_functions")


def of(module: object, path: str) -> Layer[Unit, Array]:
    """A layer of a function that is written in a module, by the path of its name there."""

    def function(params: Unit, x: Array) -> tuple[Array, Array]:
        return x, x

    function.__module__, function.__qualname__ = untyped(module), path
    return Layer(function, backward)


@pytest.mark.parametrize(
    ("module", "path", "name"),
    [
        ("package.scale", "forward", "scale"),
        ("package.scale", "_forward", "scale"),
        ("package.layers", "scale_forward", "scale"),
        ("package.layers", "forward_scale", "scale"),
        ("package.layers", "_scale_", "scale"),
        ("package.layers", "XscaleX", "XscaleX"),
        ("package.layers", "Scale.forward", "Scale"),
        ("package.layers", "scale.<locals>.forward", "scale"),
        ("package.layers", "scale.<locals>.<lambda>", "scale"),
        ("package.layers", "scale.<locals>.lambda_", "scale"),
        ("package.layers", "Scale.__call__", "Scale"),
        ("package.layers", "scale.<locals>.__", "scale"),
        ("package.scale", "main", "scale"),
        ("__main__", "forward", "layer"),
        ("", "forward", "layer"),
        (None, "forward", "layer"),
    ],
)
def test_a_function_that_says_nothing_is_named_by_what_it_stands_in(module: object, path: str, name: str) -> None:
    assert name_of(of(module, path)) == name


def test_a_function_without_a_module_is_named() -> None:
    assert name_of(Layer(untyped(str.upper), backward)) == "upper"


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_what_a_module_names_comes_back_as_itself(copied: Callable[[Any], Any]) -> None:
    for each in (affine, relu, chainrule.embedding, softmax_cross_entropy):
        assert copied(each) is each


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_what_a_function_made_is_made_again_with_its_options(copied: Callable[[Any], Any]) -> None:
    network = sequential(layer_norm(eps=0.25), residual(add(relu, sigmoid)), tied(affine, unchanged, unchanged))
    other = copied(network)
    assert other is not network
    assert (
        title_of(other)
        == title_of(network)
        == (
            "sequential(layer_norm(eps=0.25), residual(add(relu, sigmoid)), tied(affine, expand=unchanged, "
            "contract=unchanged))"
        )
    )
    squares = squared_error(scale=3.0)
    assert repr(copied(squares)) == "Loss(squared_error(scale=3.0))"
    out = np.array([[1.0, 2.0]])
    assert copied(squares).forward(out, 0 * out)[0] == 15


def unchanged(params: Any) -> Any:
    return params


def rows(xp: rules.Namespace, out: Array, targets: Array, *, scale: float) -> tuple[Array, Array]:
    return scale * xp.sum_last((out - targets) ** 2), 2 * scale * (out - targets)


def squared_error(scale: float) -> Loss[Array, Any]:
    """A loss with an option, as users write one."""
    return rules.loss("squared_error", partial(rows, scale=scale))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_layer_without_a_rule_is_copied_by_its_fields(copied: Callable[[Any], Any]) -> None:
    other = copied(identity)
    assert repr(other) == "Layer(identity)"
    fields = [each.name for each in attrs.fields(Layer) if each.name != "grads"]  # which is made of backward
    assert [getattr(other, name) for name in fields] == [untyped(getattr)(identity, name) for name in fields]


def test_what_is_made_again_for_use_keeps_its_options() -> None:
    in_use = inference(tied(dropout(0.5, seed=1), unchanged, unchanged), ())
    assert title_of(in_use) == "tied(identity, expand=unchanged, contract=unchanged)"
    x = np.ones((2, 3))
    assert tree.equal(in_use.forward((), x)[0], x)


def squared(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    """Square each number."""
    return x * x, 2 * x


def test_the_docstring_of_a_layer_is_the_page_of_its_module() -> None:
    families = (chainrule.silu, chainrule.elu(2.0), chainrule.log_sigmoid)
    for each in (affine, relu, layer_norm(), sequential(affine), softmax_cross_entropy, chainrule.embedding, *families):
        module = untyped(each).rule.source
        while isinstance(module, partial):
            module = module.func
        page = sys.modules[module.__module__].__doc__
        assert page
        assert each.__doc__ == page


def test_the_docstring_of_a_layer_in_a_module_of_many_is_that_of_its_function() -> None:
    assert rules.elementwise("squared", squared).__doc__ == "Square each number."


def test_the_docstring_of_a_layer_whose_author_wrote_none_is_that_of_its_class() -> None:
    assert inspect.getdoc(Layer) is not None
    assert identity.__doc__ == Layer.__doc__
    assert rules.elementwise("plain", undocumented).__doc__ == Layer.__doc__
    loss: Loss[Array, Array] = Loss(lambda out, t: (out, out), lambda c, d: c, lambda out, t: out)
    assert loss.__doc__ == Loss.__doc__


def undocumented(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return x * x, 2 * x


def test_the_page_of_a_module_that_is_gone_is_that_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
        """Of a module that is gone."""
        return x, x

    function.__module__ = "package.gone"
    layer = rules.elementwise("gone", function)
    assert layer.__doc__ == "Of a module that is gone."
    module = ModuleType("package.gone", "The page of a module.")
    monkeypatch.setitem(sys.modules, "package.gone", module)
    assert layer.__doc__ == "The page of a module."


def test_a_class_of_pages_has_its_own_and_gives_each_instance_one() -> None:
    class Described:
        """The class."""

        name = "described"
        rule = None

    assert paged(Described) is Described
    assert Described.__doc__ == "The class."
    described = Described()
    assert described.__doc__ == "The class."
    untyped(described).rule = rules.elementwise("squared", squared).rule
    assert described.__doc__ == "Square each number."


class Defining:
    """A layer in whose module more is defined whenever its function is asked for."""

    @property
    def forward(self) -> Callable[..., object]:
        globals()[f"defined_{len(globals())}"] = None
        return elsewhere


def elsewhere(params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


_unnamed, defining = Defining(), Defining()


def test_more_may_be_defined_while_a_name_is_looked_for() -> None:
    assert name_of(Defining()) == "defining"


def test_the_functions_of_the_librarys_own_name_what_is_made_of_them() -> None:
    again = Loss(mean_squared_error.forward, mean_squared_error.backward, mean_squared_error.rows)
    assert repr(again) == "Loss(mean_squared_error)"
    assert repr(Layer(affine.forward, affine.backward)) == "Layer(affine)"
    assert repr(Layer(sequential(affine).forward, sequential(affine).backward)) == "Layer(sequential)"


def test_options_stand_in_brackets_if_they_are_short() -> None:
    bound = partial(partial(_scaled, 0.5), mask=np.ones(3), name="a")
    assert name_of(Layer(bound, backward)) == "scaled(0.5, name='a')"


def test_layers_losses_and_objectives_print_names_and_shapes() -> None:
    network = sequential(affine, sequential(relu, affine))
    assert repr(network) == "Layer(sequential(affine, sequential(relu, affine)))"
    assert repr(softmax_cross_entropy) == "Loss(softmax_cross_entropy)"
    objective = Objective(network, softmax_cross_entropy, np.ones((3, 2)), np.arange(3))
    assert repr(objective) == f"Objective(network={network}, loss={softmax_cross_entropy}, x=f64[3, 2], targets=i64[3])"
