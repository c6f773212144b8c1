"""Weights of torch's modules, both ways: the outputs are theirs."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import frozen

import chainrule
from chainrule import (
    Affine,
    Array,
    Attention,
    BatchNorm,
    Convolution,
    Embedding,
    GroupNorm,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    Positions,
    PRelu,
    RmsNorm,
    Statistics,
    add,
    affine,
    attention,
    batch_norm,
    convolution,
    convolution_transpose,
    embedding,
    encoded,
    fixed,
    global_mean_pool,
    group_norm,
    gru,
    inference,
    layer_norm,
    lstm,
    max_pool,
    positions,
    prediction,
    prelu,
    record,
    relu,
    repeated,
    residual,
    rms_norm,
    sequential,
    tied,
    tree,
)
from chainrule.interop.torch import as_layer, from_state_dict, parameters, to_state_dict
from chainrule.rules import InTorch, Weight, transposed
from untyped import untyped

torch: Any = import_module("torch")  # it need not be installed where types are checked

TYPED = """
from typing import Any, assert_type

import numpy as np

from chainrule import Affine, Unit, affine, relu, sequential
from chainrule.interop.torch import from_state_dict, to_state_dict

network = sequential(affine, relu)
params = Affine.init(np.random.default_rng(0), 3, 2), ()
weights = to_state_dict(network, params)
assert_type(weights, dict[str, Any])
assert_type(from_state_dict(params, weights), tuple[Affine, Unit])
assert_type(from_state_dict(params, weights, network=network), tuple[Affine, Unit])

to_state_dict(params, network)  # rejected: the network comes first
to_state_dict(network, params[0])  # rejected: parameters of another network
from_state_dict(params, weights, network=affine)  # rejected: another network
"""

nn = torch.nn
F64 = np.float64


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def channels_last(module: Any) -> Callable[[Any], Any]:
    """A module on x with the channels last."""
    return lambda x: module(x.movedim(-1, 1)).movedim(1, -1)


def first(module: Any) -> Callable[[Any], Any]:
    """The outputs of a recurrent module."""
    return lambda x: module(x)[0]


def attending(module: Any) -> Callable[[Any], Any]:
    return lambda x: module(x, x, x, need_weights=False)[0]


def placed(module: Any) -> Callable[[Any], Any]:
    return lambda x: x + module(torch.arange(x.shape[-2]))


Case = tuple[str, Any, Any, Any, Callable[[Any], Callable[[Any], Any]], tuple[int, ...]]


def as_it_is(module: Any) -> Any:
    return module


CASES: list[Case] = [
    ("affine", affine, Affine.init(rng(), 3, 2, dtype=F64), nn.Linear(3, 2), as_it_is, (5, 3)),
    ("layer_norm", layer_norm(), LayerNorm.init(3, dtype=F64), nn.LayerNorm(3), as_it_is, (5, 3)),
    ("rms_norm", rms_norm(), RmsNorm.init(3, dtype=F64), nn.RMSNorm(3, eps=1e-6), as_it_is, (5, 3)),
    ("group_norm", group_norm(2), GroupNorm.init(4, dtype=F64), nn.GroupNorm(2, 4), channels_last, (5, 3, 4)),
    ("batch_norm", batch_norm(), BatchNorm.init(3, dtype=F64), nn.BatchNorm1d(3), as_it_is, (5, 3)),
    ("prelu", prelu, PRelu.init(3, dtype=F64), nn.PReLU(3), channels_last, (5, 2, 3)),
    ("prelu of one slope", prelu, PRelu.init(dtype=F64), nn.PReLU(), as_it_is, (5, 3)),
    ("positions", positions, Positions.init(rng(), 4, 3, dtype=F64), nn.Embedding(4, 3), placed, (2, 3, 3)),
    ("lstm", lstm, Lstm.init(rng(), 3, 2, dtype=F64), nn.LSTM(3, 2, batch_first=True), first, (5, 4, 3)),
    ("gru", gru, Gru.init(rng(), 3, 2, dtype=F64), nn.GRU(3, 2, batch_first=True), first, (5, 4, 3)),
    (
        "attention",
        attention(2),
        Attention.init(rng(), 4, dtype=F64),
        nn.MultiheadAttention(4, 2, batch_first=True),
        attending,
        (5, 3, 4),
    ),
]
for axes, module in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), start=1):
    size = (3, 2, 1)[:axes]
    CASES.append(
        (
            f"convolution, {axes} axes, in groups",
            convolution(padding="valid", groups=2),
            Convolution.init(rng(), 4, 6, size, groups=2, dtype=F64),
            module(4, 6, size, groups=2),
            channels_last,
            (2, *(4,) * axes, 4),
        )
    )
for axes, module in enumerate((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), start=1):
    size = (3, 2, 1)[:axes]
    CASES.append(
        (
            f"convolution_transpose, {axes} axes, as many channels",
            convolution_transpose(2, "valid"),
            Convolution.init(rng(), 3, 3, size, dtype=F64),
            module(3, 3, size, stride=2),
            channels_last,
            (2, *(4,) * axes, 3),
        )
    )

each_case = pytest.mark.parametrize(
    ("layer", "params", "module", "run", "shape"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


def drawn(like: Any, seed: int = 1) -> Any:
    """Parameters of the same form with other numbers."""
    generator = np.random.default_rng(seed)
    return tree.map(lambda leaf: generator.standard_normal(leaf.shape), like)


def numbers(out: Any) -> Array:
    array: Array = out.detach().numpy()
    return array


def assert_same(ours: Array, theirs: Any) -> None:
    np.testing.assert_allclose(ours, numbers(theirs), rtol=0, atol=1e-10)


@each_case
def test_a_module_and_a_layer_with_its_weights_give_the_same(
    layer: Any, params: Any, module: Any, run: Any, shape: tuple[int, ...]
) -> None:
    there = module.double()
    with torch.no_grad():
        for weight in there.parameters():
            weight.copy_(torch.tensor(rng().standard_normal(weight.shape)))
    x = rng().standard_normal(shape)
    here = from_state_dict(params, there.state_dict(), network=layer)
    assert type(here) is type(params)
    assert not any(leaf.flags.writeable for leaf in tree.leaves(here))
    assert_same(layer.forward(here, x)[0], run(there)(torch.tensor(x)))


@each_case
def test_a_layer_and_a_module_with_its_weights_give_the_same(
    layer: Any, params: Any, module: Any, run: Any, shape: tuple[int, ...]
) -> None:
    there, here, x = module.double(), drawn(params), rng().standard_normal(shape)
    found = there.load_state_dict(to_state_dict(layer, here), strict="BatchNorm" not in type(module).__name__)
    assert found.unexpected_keys == []
    assert_same(layer.forward(here, x)[0], run(there)(torch.tensor(x)))
    assert tree.equal(from_state_dict(params, there.state_dict(), network=layer), here)


def test_an_embedding_and_what_stands_behind_it_give_the_same() -> None:
    module = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)).double()
    network, draw = encoded(embedding, affine), rng()
    fresh = (Embedding.init(draw, 7, 3, dtype=F64), Affine.init(draw, 3, 2, dtype=F64))
    tokens = draw.integers(0, 7, (4, 5))
    params = from_state_dict(fresh, module.state_dict())
    assert_same(network.forward(params, tokens)[0], module(torch.tensor(tokens)))
    module.load_state_dict(to_state_dict(network, fresh))
    assert_same(network.forward(fresh, tokens)[0], module(torch.tensor(tokens)))


def test_names_are_nested_as_those_of_a_sequential() -> None:
    network = encoded(embedding, sequential(repeated(residual(sequential(layer_norm(), affine)), 2), relu, affine))
    draw = rng()
    block = (LayerNorm.init(3), Affine.init(draw, 3, 3))
    params = (Embedding.init(draw, 7, 3), ((block, block), (), Affine.init(draw, 3, 2)))
    weights = to_state_dict(network, params)
    assert [*weights] == (
        "0.weight 1.0.0.0.weight 1.0.0.0.bias 1.0.0.1.weight 1.0.0.1.bias 1.0.1.0.weight 1.0.1.0.bias "
        "1.0.1.1.weight 1.0.1.1.bias 1.2.weight 1.2.bias"
    ).split()
    assert tree.equal(from_state_dict(tree.map(np.zeros_like, params), weights), params)


def test_a_convolutional_network_of_torch_runs_here() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).double()
    network = sequential(convolution(), batch_norm(), relu, max_pool(2), sequential(global_mean_pool), relu, affine)
    draw = rng()
    images = draw.standard_normal((6, 8, 8, 1))
    module(torch.tensor(images).movedim(-1, 1))  # which moves the running statistics
    weights = module.eval().state_dict()
    fresh: Any = (
        Convolution.init(draw, 1, 4, 3, dtype=F64),
        BatchNorm.init(4, dtype=F64),
        (),
        (),
        ((),),
        (),
        Affine.init(draw, 4, 2, dtype=F64),
    )
    params = from_state_dict(fresh, weights)
    running = {name: each for name, each in weights.items() if "running" in name}
    like: Any = ((), Statistics(np.zeros(4), np.ones(4)), (), (), ((),), (), ())
    in_use = inference(network, params, statistics=from_state_dict(like, running))
    assert_same(prediction(in_use)(params, images), module(torch.tensor(images).movedim(-1, 1)))

    other = nn.Sequential(*(each for each in module)).double()
    for each in other.parameters():
        nn.init.zeros_(each)
    other[1].reset_running_stats()
    assert str(other.load_state_dict(to_state_dict(in_use, params))) == "<All keys matched successfully>"
    assert_same(prediction(in_use)(params, images), other(torch.tensor(images).movedim(-1, 1)))


def test_a_record_has_the_names_of_its_fields() -> None:
    @frozen(eq=False)
    @record
    class Block:
        norm: LayerNorm
        mlp: tuple[Affine, tuple[()], Affine]
        scale: Any

    module = nn.ModuleDict({"norm": nn.LayerNorm(3), "mlp": nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))})
    module.register_parameter("scale", nn.Parameter(torch.ones(3)))
    draw = rng()
    fresh = Block(LayerNorm.init(3), (Affine.init(draw, 3, 4), (), Affine.init(draw, 4, 3)), np.zeros(3, np.float32))
    params = from_state_dict(fresh, module.state_dict())
    assert type(params) is Block
    np.testing.assert_array_equal(params.mlp[2].W, numbers(module["mlp"][2].weight).T)
    assert params.scale.tolist() == [1.0] * 3


def test_a_record_with_a_table_of_its_own_needs_nothing_else() -> None:
    @frozen(eq=False)
    @record
    class Bilinear:
        V: Any
        in_torch: ClassVar[InTorch] = {"left.weight": Weight("V", transposed)}

    params = Bilinear(np.ones((3, 2)))
    weights = {"0.left.weight": torch.zeros(2, 3, dtype=torch.float64)}
    assert from_state_dict((params,), weights)[0].V.tolist() == [[0.0] * 2] * 3

    def forward(params: Bilinear, x: Array) -> tuple[Array, tuple[Bilinear, Array]]:
        return x @ params.V, (params, x)

    def backward(cache: tuple[Bilinear, Array], dout: Array) -> tuple[Array, Bilinear]:
        return dout @ cache[0].V.T, Bilinear(cache[1].T @ dout)

    assert to_state_dict(sequential(Layer(forward, backward)), (params,))["0.left.weight"].shape == (2, 3)


def test_a_module_as_a_layer_keeps_its_names() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.PReLU())
    params = parameters(module)
    weights = to_state_dict(as_layer(module), params)
    assert {name: each.tolist() for name, each in weights.items()} == {
        name: each.tolist() for name, each in module.state_dict().items()
    }
    assert tree.equal(from_state_dict(tree.map(np.zeros_like, params), weights), params)


def test_layers_inside_combinators_are_known() -> None:
    draw = rng()
    up = convolution_transpose(2)
    params: Any = (Convolution.init(draw, 2, 2, 3), Convolution.init(draw, 2, 2, 3))
    for network in (sequential(up, convolution()), add(up, fixed(convolution()))):
        weights = to_state_dict(network, params)
        np.testing.assert_array_equal(weights["0.weight"], np.moveaxis(params[0].W, (-2, -1), (0, 1)))
        np.testing.assert_array_equal(weights["1.weight"], np.moveaxis(params[1].W, (-1, -2), (0, 1)))
        assert tree.equal(from_state_dict(params, weights, network=network), params)


def test_shared_parameters_are_written_once() -> None:
    def twice(p: Affine) -> tuple[Affine, Affine]:
        return p, p

    def both(g: tuple[Affine, Affine]) -> Affine:
        return tree.map(np.add, *g)

    params = Affine.init(rng(), 3, 3)
    weights = to_state_dict(tied(sequential(affine, affine), twice, both), params)
    assert [*weights] == ["weight", "bias"]
    assert tree.equal(from_state_dict(params, weights), params)


def test_tensors_have_memory_of_their_own() -> None:
    params = Affine.init(rng(), 3, 2)
    before = np.array(params.W)
    for each in to_state_dict(affine, params).values():
        each.fill_(7.0)
    np.testing.assert_array_equal(params.W, before)
    module = nn.Linear(3, 2)
    taken = from_state_dict(params, module.state_dict())
    before = np.array(taken.W)
    nn.init.zeros_(module.weight)
    np.testing.assert_array_equal(taken.W, before)


def test_parameters_on_torch_stay_there() -> None:
    params = tree.map(lambda leaf: torch.tensor(np.array(leaf)), Affine.init(rng(), 3, 2))
    module = nn.Linear(3, 2)
    taken: Any = from_state_dict(params, module.state_dict())
    assert torch.equal(taken.W, module.weight.T)
    assert torch.equal(to_state_dict(affine, taken)["weight"], module.weight)


def test_bfloat16_goes_both_ways() -> None:
    pytest.importorskip("ml_dtypes")
    module = nn.Linear(3, 2).bfloat16()
    fresh = tree.map(lambda leaf: torch.tensor(np.array(leaf)).bfloat16(), Affine.init(rng(), 3, 2))
    taken: Any = from_state_dict(fresh, module.state_dict())
    assert torch.equal(to_state_dict(affine, taken)["weight"], module.weight)


def test_weights_that_do_not_fit_are_all_listed() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2, bias=False), nn.PReLU()).double()
    params = (Affine.init(rng(), 3, 4, dtype=F64), (), Affine.init(rng(), 2, 2))
    message = (
        r"^from_state_dict: the weights do not fit params: missing: 2\.bias f32\[2\]; unexpected: 3\.weight f64\[1\]; "
        r"different: 0\.weight is f64\[2, 3\], expected f64\[4, 3\], 0\.bias is f64\[2\], expected f64\[4\], "
        r"2\.weight is f64\[2, 2\], expected f32\[2, 2\]$"
    )
    with pytest.raises(ValueError, match=message):
        from_state_dict(params, module.state_dict())


def test_a_transposed_convolution_needs_the_network() -> None:
    params, module = Convolution.init(rng(), 2, 3, 4), nn.ConvTranspose2d(2, 3, 4)
    with pytest.raises(ValueError, match="different: weight is") as error:
        from_state_dict(params, module.state_dict())
    assert error.value.__notes__ == ["the kernel of a transposed convolution has another order: give network= as well"]
    from_state_dict(params, module.state_dict(), network=convolution_transpose())


def test_a_module_in_the_place_of_its_weights_gets_a_hint() -> None:
    with pytest.raises(TypeError, match=r"^from_state_dict: give module\.state_dict\(\), got Linear$"):
        untyped(from_state_dict)(Affine.init(rng(), 3, 2), nn.Linear(3, 2))
    with pytest.raises(TypeError, match=r"^from_state_dict: bias must be a tensor or an array, got float$"):
        from_state_dict(Affine.init(rng(), 3, 2), nn.Linear(3, 2).state_dict() | {"bias": 0.0})


def test_parameters_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sequential\(affine, relu\) has 2 layers, so params must be a tuple of 2"):
        untyped(to_state_dict)(sequential(affine, relu), Affine.init(rng(), 3, 2))
    with pytest.raises(TypeError, match=r"^to_state_dict: network must be a Layer or an Encoder, got a tuple of 0"):
        untyped(to_state_dict)((), affine)


@pytest.mark.parametrize(
    ("network", "params", "message"),
    [
        (affine, np.array(None), "to_state_dict: params must be an array of numbers, got object[]"),
        (affine, np.array([[None]]), "to_state_dict: params must be an array of numbers, got object[1, 1]"),
        (affine, np.array("text"), "to_state_dict: params must be an array of numbers, got <U4[]"),
        (
            sequential(affine),
            (np.array([0], "M8[s]"),),
            "to_state_dict: params[0] must be an array of numbers, got datetime64[s][1]",
        ),
        (affine, 3, "to_state_dict: params must be arrays, in tuples and records, got int"),
        (affine, np.ones(3), "affine: params must be Affine, got f64[3]"),
        (relu, Affine(np.ones((3, 2)), np.ones(2)), "relu: it has no parameters: params must be (), got Affine"),
        (residual(sequential(relu)), (np.ones(2),), "relu: it has no parameters: params must be (), got f64[2]"),
    ],
)
def test_what_are_no_parameters_is_refused_before_its_memory_is_read(network: Any, params: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        to_state_dict(network, params)
    assert str(error.value) == message


@pytest.mark.parametrize("params", [None, 3, {}])
def test_what_is_no_tree_takes_no_weights(params: Any) -> None:
    message = rf"^from_state_dict: params must be arrays, in tuples and records, got {type(params).__name__}$"
    with pytest.raises(TypeError, match=message):
        from_state_dict(params, {})


def test_all_layers_with_parameters_are_tried_here() -> None:
    tried = {type(case[2]).__name__ for case in CASES} | {"Embedding"}
    public = {name: getattr(chainrule, name) for name in chainrule.__all__}
    known = {name for name, each in public.items() if isinstance(each, type) and hasattr(each, "init")}
    assert known - tried == {"Optimizer"}
