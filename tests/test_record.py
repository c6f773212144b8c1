import copy
import inspect
import pickle
import typing
from collections.abc import Callable
from operator import is_
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np
import pytest
from attrs import Attribute, asdict, astuple, evolve, field, frozen

from chainrule import Affine, Array, affine, fixed, load, own, read_only, recomputed, record, save, tree
from chainrule.arrays.records import dissected, field_names, first_of, is_record, summary
from chainrule.arrays.types import is_numpy
from untyped import untyped


@frozen(eq=False)
@record
class Pair:
    a: Array
    b: Array
    steps: int = 0


def double(rate: float) -> float:
    return 2 * rate


@frozen(eq=False)
@record
class Doubling:
    rate: float = field(converter=double)


def test_arrays_are_copied_in_and_frozen_with_every_way_of_copying() -> None:
    a = np.ones(3)
    pair = Pair(a, np.arange(6.0).reshape(2, 3).T, 4)
    a[:] = 7
    assert pair.a.tolist() == [1, 1, 1]
    copies: list[Pair] = [
        pair,
        copy.copy(pair),
        copy.deepcopy(pair),
        pickle.loads(pickle.dumps(pair)),
        evolve(pair, steps=4),
    ]
    for each in copies:
        assert tree.equal(each, pair)
        assert all(not leaf.flags.writeable for leaf in tree.leaves(each))
    assert copy.deepcopy(pair) is pair


def test_fields_with_converters_of_their_own_keep_them() -> None:
    assert Doubling(2.0).rate == 4


def test_unpickled_fields_are_not_converted_again() -> None:
    assert pickle.loads(pickle.dumps(Doubling(2.0))).rate == 4


def as_it_is(value: Any) -> Any:
    return value


def not_empty(instance: object, attribute: "Attribute[Any]", value: Array) -> None:
    if not value.size:
        raise ValueError("empty")


@frozen(eq=False)
@record
class Options:
    plain: Array = field()
    converted: Array = field(converter=as_it_is)
    checked: Array = field(validator=not_empty)
    keyword: Array = field(kw_only=True)


class Moments(NamedTuple):
    first: Array
    second: tuple[Array, ...]


@frozen(eq=False)
@record
class Holder:
    held: Any


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


BUILDERS: dict[str, Callable[[Array], Any]] = {
    "fields with options": lambda a: Options(a, a, a, keyword=a),
    "a tuple": lambda a: Holder((a,)),
    "tuples in tuples": lambda a: Holder((1, ((a, "text"), ()))),
    "a named tuple": lambda a: Holder(Moments(a, (a,))),
    "a record of a tuple": lambda a: Holder(Holder((a,))),
}


@pytest.mark.parametrize("copied", [as_it_is, copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_record_owns_its_arrays_whatever_holds_them(build: Callable[[Array], Any], copied: Any) -> None:
    a = np.ones(3)
    made = copied(build(a))
    a[:] = 7
    found = arrays_in(made)
    assert found
    for each in found:
        assert each.tolist() == [1, 1, 1]
        assert not each.flags.writeable


def arrays_in(value: object) -> list[Array]:
    """Those in tuples, named ones too, and records."""
    if is_numpy(value):
        return [value]
    inner: list[Any] = [getattr(value, name) for name in field_names(type(value))]
    inner += untyped(value) if issubclass(type(value), tuple) else ()
    return [array for each in inner for array in arrays_in(each)]


def test_tuples_keep_their_kind_and_constant_ones_are_shared() -> None:
    a = np.ones(2)
    moments = Holder(Moments(a, (a,))).held
    assert type(moments) is Moments
    assert Holder(moments).held is moments
    constant = (read_only(np.ones(2)), (3, "text"))
    assert Holder(constant).held is constant
    assert copy.deepcopy(Holder(constant)).held is constant


def test_a_deep_copy_copies_what_can_be_written() -> None:
    made = Holder(([1, 2], read_only(np.ones(2))))
    copied = copy.deepcopy(made)
    made.held[0].append(3)
    assert copied.held[0] == [1, 2]
    assert copied.held[1] is made.held[1]


@frozen(eq=False)
@record
class Scaled:
    a: Array
    total: Any = field(init=False)
    unit: str = field(init=False, default="metre")

    def __attrs_post_init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "total", TOTALS[: self.a.size])


TOTALS = np.full(5, 2.0)


def test_fields_that_are_no_arguments_are_owned_pickled_and_copied() -> None:
    made = Scaled(np.ones(3))
    assert not np.shares_memory(made.total, TOTALS)
    for each in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made)), tree.map(np.copy, made)):
        assert each.total.tolist() == [2, 2, 2]
        assert not each.total.flags.writeable
        assert each.unit == "metre"
    other = tree.map(lambda leaf: 3 * leaf, made)
    assert tree.equal(pickle.loads(pickle.dumps(other)), other)


def test_a_class_in_a_function_becomes_a_record_as_one_in_a_module_does() -> None:
    @frozen(eq=False)
    @record
    class Local:
        a: Array
        pair: tuple[Array, Array]
        rate: Any = field(converter=halves, default=1.0)
        steps: int = 5
        total: Any = field(init=False)
        later: Any = field(init=False)

        def __attrs_post_init__(self) -> None:
            super().__init__()
            object.__setattr__(self, "total", total)

    a, total = np.ones(3), np.full(2, 2.0)
    nothing = inspect.Parameter.empty
    arguments = inspect.signature(Local).parameters.values()
    assert [(each.name, each.default) for each in arguments] == [
        ("a", nothing),
        ("pair", nothing),
        ("rate", 1.0),
        ("steps", 5),
    ]
    made = Local(a, (a, a), a)
    a[:] = total[:] = HALVES[:] = 7
    assert made.a.tolist() == made.pair[1].tolist() == [1, 1, 1]
    assert made.rate.tolist() == [0.5, 0.5, 0.5]
    assert made.total.tolist() == [2, 2]
    assert not hasattr(made, "later")
    HALVES[:] = 0.5
    object.__setattr__(made, "later", "now")
    assert repr(made) == ("Local(a=f64[3], pair=(f64[3], f64[3]), rate=f64[3], steps=5, total=f64[2], later='now')")
    rebuild, parts = untyped(made.__reduce__())
    for copied in (copy.copy(made), copy.deepcopy(made), rebuild(*parts)):
        assert tree.equal(copied, made)
        assert all(not leaf.flags.writeable for leaf in tree.leaves(copied))
    assert copy.copy(made) is copy.deepcopy(made) is made


HALVES = np.full(3, 0.5)


def halves(_: object) -> Array:
    """A converter that gives what others can write to."""
    return HALVES


def test_what_attrs_tells_of_a_record_hides_the_layer_that_made_it() -> None:
    @frozen(eq=False)
    @record
    class Local:
        a: Array

    fields: Any = attrs.fields(attrs.resolve_types(Local))
    assert [(each.name, each.init, each.repr) for each in fields] == [("a", True, True), ("_signature", False, False)]
    assert fields[1].type is object
    assert attrs.asdict(Local(np.ones(1)))["_signature"] is None


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")])
def test_records_of_any_number_of_fields_are_taken_apart_and_made_again(names: tuple[str, ...]) -> None:
    cls: Any = frozen(eq=False)(record(type("Fields", (), {"__annotations__": dict.fromkeys(names, object)})))
    values = tuple(np.full(2, float(i)) for i in range(len(names)))
    apart: Any = dissected(cls)
    take, make = apart
    made = make(*values)
    assert type(made) is cls
    assert all(getattr(made, name) is value for name, value in zip(names, values, strict=True))
    assert all(map(is_, take(made), values))
    assert len(take(made)) == len(names)
    assert first_of(cls)(made) is (values[0] if values else cls)


def test_a_class_that_is_no_record_has_no_fields_and_is_not_taken_apart() -> None:
    class Plain:
        a: int

    assert field_names(Plain) == ()
    assert dissected(Plain) is None


def test_what_a_converter_gives_is_owned() -> None:
    @frozen(eq=False)
    @record
    class Halved:
        rate: Array = field(converter=halves)

    made = Halved(1)
    rate = made.rate
    assert rate.tolist() == HALVES.tolist()
    assert not np.shares_memory(rate, HALVES)


def test_a_pickle_of_other_fields_than_the_class_has_now_is_refused() -> None:
    rebuild, (cls, values) = untyped(Pair(np.ones(1), np.ones(1)).__reduce__())
    for other in (values[:-1], (*values, 1)):
        with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer) than argument 1"):
            rebuild(cls, other)


def test_a_deep_copy_keeps_what_is_shared_shared() -> None:
    shared = [1]
    copied = copy.deepcopy(Holder((shared, (shared, [shared]))))
    first, (second, third) = copied.held
    assert first is second is third[0]
    assert first is not shared
    outer = copy.deepcopy([shared, Holder(shared)])
    assert untyped(outer[1]).held is outer[0]


def test_fields_of_a_class_that_is_no_record_are_refused() -> None:
    @frozen(eq=False)
    class Base:
        a: Array

    with pytest.raises(TypeError, match="record: Derived has fields of Base: write @record on that class too"):

        @frozen(eq=False)
        @record
        class Derived(Base):
            b: Array


def test_fields_of_a_record_are_inherited() -> None:
    @frozen(eq=False)
    @record
    class Triple(Pair):
        c: Any = ()

    a = np.ones(2)
    made = Triple(a, a, 3, (a,))
    a[:] = 7
    assert made.a.tolist() == made.c[0].tolist() == [1, 1]


def test_records_are_told_from_other_classes() -> None:
    assert is_record(Pair)
    assert not is_record(np.ndarray)
    assert not is_record(tuple)


def test_a_default_stays_a_default() -> None:
    assert Pair(np.ones(1), np.ones(1)).steps == 0


def test_freeze_marks_an_array_and_the_one_that_it_is_a_view_of() -> None:
    fresh = np.arange(6.0)
    view = read_only(fresh.reshape(2, 3))
    assert not view.flags.writeable
    assert not fresh.flags.writeable
    assert np.shares_memory(Pair(view, view).a, fresh)
    scalar = read_only(untyped(np.float32(2)))  # to a type checker still a scalar
    assert type(scalar) is np.ndarray
    assert not scalar.flags.writeable


def test_a_fresh_array_over_the_bytes_of_something_else_is_marked() -> None:
    fresh = np.frombuffer(bytearray(np.ones(2).tobytes()))
    assert fresh.flags.writeable
    assert read_only(fresh) is fresh
    assert not fresh.flags.writeable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.ones((784, 50), np.float32), "f32[784, 50]"),
        (np.ones(()), "f64[]"),
        (np.ones(2, int), "i64[2]"),
        (np.ones(2, np.uint8), "u8[2]"),
        (np.ones(2, complex), "c128[2]"),
        (np.ones(2, bool), "bool[2]"),
        (SimpleNamespace(shape=(2, 3), dtype="bfloat16"), "bf16[2, 3]"),
        (SimpleNamespace(shape=(2,), dtype="torch.float32"), "f32[2]"),
        (SimpleNamespace(shape=(2,)), "namespace(shape=(2,))"),
        (SimpleNamespace(dtype="float32"), "namespace(dtype='float32')"),
        ("text", "'text'"),
        (None, "None"),
    ],
)
def test_summaries(value: Any, expected: str) -> None:
    assert summary(value) == expected


def test_records_print_shapes() -> None:
    assert repr(Pair(np.ones(2), np.ones((0, 3), np.float16), 5)) == "Pair(a=f64[2], b=f16[0, 3], steps=5)"


@frozen(eq=False, kw_only=True)
@record
class Keywords:
    a: Array
    kind: ClassVar[str] = "keywords"


class XClassVarThing:
    pass


def test_class_variables_are_told_from_fields_as_attrs_tells_them() -> None:
    @frozen(eq=False)
    @record
    class Annotated:
        a: "Array"
        b: "XClassVarThing | Array"
        c: "ClassVar[str]" = "c"
        d: "typing.ClassVar[str]" = "d"

    assert list(field_names(Annotated)) == ["a", "b"]
    b = np.ones(2)
    made = Annotated(np.ones(1), b)
    b[:] = 7
    assert tree.leaves(made)[1].tolist() == [1, 1]
    assert (made.c, made.d) == ("c", "d")
    quoted = type("Quoted", (), {"__annotations__": {"kind": "'ClassVar[str]'"}, "kind": "k"})  # under `annotations`
    assert field_names(frozen(record(quoted))) == ()


ZERO = np.zeros(1)


@frozen(eq=False)
@record
class Defaulted:
    a: Array
    b: Array = ZERO


def test_records_of_keywords_and_with_defaults() -> None:
    kept = Keywords(a=np.ones(2))
    assert tree.equal(pickle.loads(pickle.dumps(kept)), kept)
    assert repr(kept) == "Keywords(a=f64[2])"
    assert [path for path, _ in tree.named_leaves(kept)] == [".a"]
    b = np.ones(1)
    record_with_b = Defaulted(np.ones(2), b)
    b[:] = 7
    assert record_with_b.b.tolist() == [1]
    assert not Defaulted(np.ones(2)).b.flags.writeable


def test_record_below_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Late is built already: write @frozen\(eq=False\) above @record"):

        @record
        @frozen(eq=False)
        class Late:
            a: Array


def read_only_view(a: Array) -> Array:
    view = a[:]
    view.flags.writeable = False
    return view


def through_dlpack(a: Array) -> Any:
    return np.from_dlpack(read_only_view(a))


def windows(a: Array) -> Array:
    return np.lib.stride_tricks.sliding_window_view(a, 2)


def repeated(a: Array) -> Array:
    return np.broadcast_to(a, (2, 4))


@pytest.mark.parametrize("view", [read_only_view, through_dlpack, windows, repeated])
def test_read_only_views_of_memory_that_can_be_written_are_copied(view: Callable[[Array], Array]) -> None:
    a = np.arange(4.0)
    kept = own(view(a))
    before = kept.copy()
    a[:] = -1
    np.testing.assert_array_equal(kept, before)


def test_bytes_in_another_order_are_turned() -> None:
    kept = own(np.arange(3.0).astype(">f8"))
    assert kept.dtype.isnative
    assert kept.tolist() == [0, 1, 2]


def test_a_memory_map_is_copied_and_bytes_are_shared(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(3))
    seen = np.load(tmp_path / "x.npy", mmap_mode="r")
    written = np.load(tmp_path / "x.npy", mmap_mode="r+")
    for kept in (own(seen), own(seen[1:]), own(np.asarray(seen)), own(written)):
        assert type(kept) is np.ndarray
        written[:] = 7
        assert set(kept.tolist()) == {1}
        written[:] = 1
    constant: Array = np.frombuffer(np.ones(3).tobytes())
    assert own(constant) is constant


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", ">f4", "<f8"])
def test_an_owned_array_has_the_one_dtype_object_that_numpy_has_of_numbers(dtype: str) -> None:
    native = np.dtype(np.dtype(dtype).newbyteorder("=").str)
    array = np.ones(3, dtype)
    assert own(array).dtype is native
    assert pickle.loads(pickle.dumps(Pair(array, array))).b.dtype is native


def test_gradients_of_a_layer_go_through_what_attrs_does_with_records() -> None:
    out, cache = affine.forward(Affine(np.ones((2, 3)), np.ones(3)), np.ones((1, 2)))
    grads = affine.backward(cache, out)[1]
    assert astuple(grads)[:2] == (grads.W, grads.b)
    assert asdict(cache)["x"] is cache.x
    assert asdict(pickle.loads(pickle.dumps(cache)))["x"].tolist() == [[1, 1]]
    assert evolve(grads, b=np.zeros(3)).W is grads.W


def test_records_that_trees_and_combinators_make_go_through_what_attrs_does_with_records(tmp_path: Path) -> None:
    params, x = Affine(np.ones((2, 2)), np.zeros(2)), np.ones((1, 2))
    _, grads = fixed(affine).backward(fixed(affine).forward(params, x)[1], x)
    (arguments,) = recomputed(affine).forward(params, x)[1]
    save(tmp_path / "params.safetensors", params)
    for made in (
        grads,
        arguments.params,
        tree.map(np.negative, params),
        tree.replace(params, [params.W, params.b]),
        load(tmp_path / "params.safetensors", params),
    ):
        assert list(asdict(made)) == ["W", "b", "_signature"]
        assert evolve(made, b=np.ones(2)).W is made.W


def test_a_plain_class_made_from_a_record_is_a_branch_of_a_tree_too() -> None:
    class Derived(Affine):
        pass

    doubled = tree.map(lambda leaf: 2 * leaf, Derived(np.ones((2, 2)), np.zeros(2)))
    assert type(doubled) is Derived
    assert asdict(doubled)["W"].tolist() == [[2, 2], [2, 2]]


def test_a_class_of_pythons_own_is_no_record() -> None:
    with pytest.raises(TypeError, match="record: int must be a class of annotated fields"):
        record(int)
