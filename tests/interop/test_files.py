"""`save` and `load`: trees to files and back, whole or not at all."""

import json
import os
import re
import stat
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from attrs import evolve, frozen

from chainrule import (
    Affine,
    BatchNorm,
    Statistics,
    adam,
    affine,
    batch_norm,
    load,
    record,
    relu,
    save,
    sequential,
    statistics,
    tree,
    two_layer,
)
from interop.damaged import Ledger, joined, ledger, split
from untyped import untyped

safetensors: Any = import_module("safetensors.numpy")

TYPED = """
from pathlib import Path
from typing import assert_type

import numpy as np

from chainrule import Affine, Unit, load, save

params = Affine.init(np.random.default_rng(0), 3, 2), ()
save("a.safetensors", params)
save(Path("a.safetensors"), params)
assert_type(load("a.safetensors", params), tuple[Affine, Unit])
assert_type(load(path=Path("a.safetensors"), like=params[0]), Affine)

save(params, "a.safetensors")  # rejected: the path comes first
save("a.safetensors")  # rejected: nothing to save
load("a.safetensors")  # rejected: nothing to be like
wrong: Affine = load("a.safetensors", params)  # rejected: it is a pair, as params is
save(3, params)  # rejected: no path
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.safetensors"


def kept(path: Path, value: Any, like: Any = None) -> Any:
    """All that a file gives back of a tree."""
    save(path, value)
    return load(path, value if like is None else like)


@frozen(eq=False)
@record
class Kept:
    """A record of anything."""

    value: Any
    more: Any = ()


# What is kept


def test_parameters_come_back(path: Path) -> None:
    params, like = (two_layer.init(np.random.default_rng(seed), 4, 3, 2) for seed in (0, 1))
    loaded = kept(path, params, like)
    assert tree.equal(loaded, params)
    assert not any(leaf.flags.writeable for leaf in tree.leaves(loaded))


def test_the_state_of_an_optimizer_comes_back_with_its_count(path: Path) -> None:
    params, optimizer = two_layer.init(np.random.default_rng(0), 4, 3, 2), adam(1e-3)
    fresh = optimizer.init(params)
    _, state = optimizer.step(fresh, params, params)
    assert tree.equal(kept(path, (params, state), (params, fresh)), (params, state))
    assert load(path, (params, fresh))[1].count == 1


def test_statistics_come_back(path: Path) -> None:
    rng = np.random.default_rng(0)
    network = sequential(affine, batch_norm(), relu)
    params = (Affine.init(rng, 3, 2), BatchNorm.init(2), ())
    found = statistics(network, params, [rng.standard_normal((5, 3), np.float32)])
    empty: Any = ((), Statistics(np.zeros(2, np.float32), np.ones(2, np.float32)), ())
    assert tree.equal(kept(path, found, empty), found)


def test_a_record_comes_back_with_all_that_it_carries(path: Path) -> None:
    run = ledger(0)
    loaded = kept(path, run, ledger(1))
    assert type(loaded) is Ledger
    assert tree.equal(loaded, run)
    assert type(loaded.metrics) is MappingProxyType
    assert [type(each) for each in (loaded.step, loaded.rate, loaded.stopped)] == [int, float, bool]


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**127 + 1,
        -(10**6000),
        0.1,
        -0.0,
        5e-324,
        np.inf,
        np.nan,
        True,
        False,
        None,
        "",
        "\ud800 \x00 β \"'",
        b"",
        b"\x00\xff",
        complex(-0.0, np.nan),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_kept_exactly(path: Path, value: Any) -> None:
    loaded = kept(path, Kept(value)).value
    assert type(loaded) is type(value)
    assert tree.equal(Kept(loaded), Kept(value))


@pytest.mark.parametrize(
    "dtype", "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64".split()
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)], ids=str)
def test_arrays_are_kept_exactly(path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    numbers = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 256, size, np.uint8)
    array = np.frombuffer(numbers.tobytes(), dtype).reshape(shape)
    loaded = kept(path, array, np.zeros(shape, dtype))
    assert (loaded.dtype, loaded.shape, loaded.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.skipif(find_spec("ml_dtypes") is None, reason="the package ml_dtypes is not installed")
def test_bfloat16_is_kept(path: Path) -> None:
    array = np.linspace(-3, 3, 7).astype(import_module("ml_dtypes").bfloat16)
    assert tree.equal(kept(path, (array,)), (array,))


def test_any_layout_is_kept_as_its_numbers(path: Path) -> None:
    numbers = np.arange(24.0).reshape(4, 6)
    layouts = (numbers.T, numbers[::-1, ::2], np.broadcast_to(numbers[0], (3, 6)), numbers.astype(">f8"))
    for loaded, array in zip(kept(path, layouts), layouts, strict=True):
        assert loaded.tolist() == array.tolist()
        assert loaded.dtype == np.float64


def test_a_memory_map_is_saved(path: Path, tmp_path: Path) -> None:
    numbers = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "a.npy", numbers)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert tree.equal(kept(path, (mapped,), (numbers,)), (numbers,))


def test_none_may_stand_for_a_value_and_a_value_for_none(path: Path) -> None:
    assert kept(path, Kept(0.5), Kept(None)).value == 0.5
    assert kept(path, Kept(None), Kept(0.5)).value is None


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "array_api_strict"])
def test_arrays_of_another_library_come_back_as_such(path: Path, library: str) -> None:
    xp: Any = pytest.importorskip(library)
    params = Affine(np.array([[0.5, 1.5]], np.float32), np.array([2.5, 3.5], np.float32))
    theirs = tree.map(lambda leaf: xp.asarray(np.array(leaf)), params)
    loaded = kept(path, theirs)
    assert type(loaded.W) is type(theirs.W)
    assert loaded.W.dtype == theirs.W.dtype
    assert tree.equal(load(path, params), params)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_tensor_of_torch_may_want_a_gradient_or_have_16_bits(path: Path) -> None:
    torch: Any = import_module("torch")
    tensors = torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)
    loaded = kept(path, tensors)
    assert [each.dtype for each in loaded] == [torch.float32, torch.bfloat16]
    assert [each.tolist() for each in loaded] == [[1.0, 1.0]] * 2


# The file


def test_the_names_in_a_file_are_the_paths(path: Path) -> None:
    save(path, (Affine(np.ones((3, 2)), np.zeros(2)), ()))
    found = safetensors.load_file(path)
    assert {name: array.tolist() for name, array in found.items()} == {"[0].W": [[1.0] * 2] * 3, "[0].b": [0.0] * 2}


def test_the_sum_is_what_its_documentation_says(path: Path) -> None:
    W, b = np.arange(6.0).reshape(3, 2), np.zeros(2)
    save(path, Kept(7, Affine(W, b)))
    metadata = split(path.read_bytes())[0]["__metadata__"]
    text = b'[".more.W", "f64[3, 2]"]\n' + W.tobytes() + b'[".more.b", "f64[2]"]\n' + b.tobytes()
    assert json.loads(metadata["chainrule.values"]) == {".value": ["int", "0x7"]}
    assert metadata["chainrule.sha256"] == sha256(text + metadata["chainrule.values"].encode()).hexdigest()


def test_a_file_of_another_program_is_read(path: Path) -> None:
    params = Affine(np.ones((3, 2)), np.zeros(2))
    arrays = {f".{name}": np.array(getattr(params, name)) for name in ("W", "b")}
    for metadata in (None, {"format": "pt", "sha256": "theirs"}):
        safetensors.save_file({name.lstrip("."): each for name, each in arrays.items()}, path, metadata)
        with pytest.raises(ValueError, match=r"missing: \.W f64\[3, 2\], \.b f64\[2\]; unexpected: W f64\[3, 2\], b"):
            load(path, params)
        safetensors.save_file(arrays, path, metadata)
        assert tree.equal(load(path, params), params)


def test_a_path_is_text_or_a_path(path: Path) -> None:
    save(str(path), np.ones(2))
    assert load(path, np.zeros(2)).tolist() == load(str(path), np.zeros(2)).tolist() == [1.0, 1.0]


# What does not fit


def test_a_file_of_another_network_is_refused_with_all_that_differs(path: Path) -> None:
    rng = np.random.default_rng(0)
    save(path, (Affine.init(rng, 3, 2), Affine.init(rng, 2, 1, dtype=np.float64), Kept(1)))
    message = (
        "load: a.safetensors does not fit like: missing: [3] f64[2]; unexpected: [2].value int; "
        "different: [0].W is f32[3, 2], expected f32[3, 4], [0].b is f32[2], expected f32[4], "
        "[1].W is f64[2, 1], expected f32[2, 1], [1].b is f64[1], expected f32[1]"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load(path, (Affine.init(rng, 3, 4), Affine.init(rng, 2, 1), (), np.ones(2)))


def test_a_value_of_another_type_is_refused(path: Path) -> None:
    save(path, Kept(3, "a"))
    with pytest.raises(ValueError, match=r"different: \.value is int, expected float, \.more is str, expected bool$"):
        load(path, Kept(0.5, more=True))
    with pytest.raises(ValueError, match=r"different: \.value is int, expected i64\[\]$"):
        load(path, Kept(np.asarray(3), "a"))


def test_a_changed_number_is_found_by_its_sum(path: Path) -> None:
    save(path, np.zeros(4))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"^load: a\.safetensors is damaged: its SHA-256 is not that of its contents$"):
        load(path, np.zeros(4))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("chainrule.version", "2", "has version 2 of this format, expected 1"),
        ("chainrule.values", '{".value": ["float", "0x1p99999"]}', "its values can't be read"),
        ("chainrule.values", "[" * 100_000, "its values can't be read"),
        ("chainrule.values", '{".value": ["object", "1"]}', "its values can't be read"),
        ("chainrule.values", json.dumps({".value": ["x" * 10**6, "1"]}), "its values can't be read: 'xxx"),
        (
            "chainrule.sha256",
            None,
            "chainrule.version, chainrule.sha256 or chainrule.values is missing in its metadata",
        ),
    ],
)
def test_changed_metadata_are_refused(path: Path, name: str, text: str | None, message: str) -> None:
    save(path, Kept(3, np.ones(2)))
    header, numbers = split(path.read_bytes())
    header["__metadata__"].pop(name)
    header["__metadata__"] |= {} if text is None else {name: text}
    path.write_bytes(joined(header, numbers))
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load(path, Kept(0, np.ones(2)))
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, b"PK\x03\x04 a zip archive", struct.pack("<Q", 2**40) + b"{}"])
def test_what_is_no_safetensors_file_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"damaged, or no safetensors file, of {len(data)} bytes: "):
        load(path, np.zeros(2))


def test_what_a_file_cannot_hold_is_refused_by_its_place(path: Path) -> None:
    as_a_tuple = ": give text as a tuple: tuple(names.tolist())"
    for value, message in [
        (Kept(sorted), ".value is builtin_function_or_method: a file holds arrays, numbers"),
        (Kept(int), ".value is the class int"),
        ((np.ones(2), np.array(["a"])), f"[1] is <U1[1]: a safetensors file holds no such numbers{as_a_tuple}"),
        (np.array(["a"], object), f"the only array is object[1]: a safetensors file holds no such numbers{as_a_tuple}"),
        (Kept(np.ones(2, complex)), r".value is c128[2]: a safetensors"),
        (np.array(["a"], np.dtypes.StringDType()), "the only array is StringDType()[1]: a safetensors"),
        (np.ma.ones(3), "the only array is a MaskedArray: convert it with np.asarray"),
    ]:
        with pytest.raises(TypeError, match=f"^save: {re.escape(message)}"):
            save(path, value)
    with pytest.raises(TypeError, match=r"the keys of \.value must be strings, got int$"):
        save(path, Kept(MappingProxyType({1: 2.0})))
    with pytest.raises(TypeError, match=r"\[0\] is a list: use a tuple"):
        save(path, ([np.ones(2)],))
    assert list(path.parent.iterdir()) == []
    save(path, Kept(0))
    with pytest.raises(TypeError, match=r"^load: \.value is the class int"):
        load(path, Kept(int))


def test_the_path_comes_first() -> None:
    with pytest.raises(TypeError, match=r"^save: path must be a str or a path, got f64\[2\]$"):
        untyped(save)(np.ones(2), "a.safetensors")
    with pytest.raises(TypeError, match=r"^load: path must be a str or a path, got a tuple of 0$"):
        untyped(load)((), "a.safetensors")


def test_without_safetensors_it_is_said_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: save(path, ()), lambda: load(path, ())):
        with pytest.raises(ImportError, match=r"needs the package safetensors: pip install 'chainrule\[files\]'$"):
            call()


# Folders, disks and crashes


def test_an_older_file_is_replaced_and_keeps_its_permissions(path: Path) -> None:
    save(path, np.zeros(2))
    fresh = path.with_name("fresh")
    fresh.touch()
    assert path.stat().st_mode == fresh.stat().st_mode
    path.chmod(0o640)
    mode = path.stat().st_mode
    save(path, np.ones(3))
    assert path.stat().st_mode == mode
    assert load(path, np.zeros(3)).tolist() == [1.0] * 3


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("no right to make symbolic links")
    save(link, np.ones(2))
    assert link.is_symlink()
    assert load(path, np.zeros(2)).tolist() == [1.0, 1.0]


def test_there_must_be_a_folder_and_a_place_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, error in [
        (tmp_path / "none" / "a", FileNotFoundError),
        (tmp_path / "file" / "a", OSError),  # which one, systems differ
        (tmp_path, IsADirectoryError),
    ]:
        named = re.escape(repr(str(path))[1:-1])
        with pytest.raises(error, match=named):
            save(path, np.ones(2))
        with pytest.raises(error, match=named):
            load(path, np.ones(2))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for call in (lambda: save(pipe, np.ones(2)), lambda: load(pipe, np.ones(2))):
        with pytest.raises(ValueError, match="pipe is no file: it is a device, a pipe or a socket"):
            call()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="whoever runs this may write everywhere")
def test_a_folder_without_permission_is_named(path: Path) -> None:
    path.parent.chmod(0o500)
    with pytest.raises(PermissionError, match=r"a\.safetensors"):
        save(path, np.ones(2))
    path.parent.chmod(0o700)


FULL = """
import resource, signal, sys
import numpy as np
from chainrule import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save(sys.argv[1], np.ones(10_000))
except OSError as error:
    print(error.filename)
"""


@pytest.mark.skipif(find_spec("resource") is None, reason="there is no limit to the size of files here")
def test_when_the_disk_is_full_the_older_file_is_as_it_was(path: Path) -> None:
    save(path, np.zeros(2))
    run = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == str(path)
    assert load(path, np.ones(2)).tolist() == [0.0, 0.0]
    assert list(path.parent.iterdir()) == [path]


def test_a_mistake_leaves_the_older_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, np.zeros(2))

    def interrupt(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, np.ones(2))
    assert load(path, np.ones(2)).tolist() == [0.0, 0.0]
    assert list(path.parent.iterdir()) == [path]


SAVING = """
import sys
import numpy as np
from chainrule import save
for i in range(10**9):
    save(sys.argv[1], np.full(200_000, float(i)))
    print(flush=True)
"""


def test_a_process_that_is_killed_leaves_a_whole_file(path: Path) -> None:
    for delay in range(3):
        process = subprocess.Popen([sys.executable, "-c", SAVING, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(2 + delay):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        assert len(set(load(path, np.zeros(200_000)).tolist())) == 1


def test_a_deep_tree_is_saved_as_deep_as_others_go(path: Path) -> None:
    deep: Any = np.ones(2)
    for _ in range(200):
        deep = (deep,)
    assert tree.equal(kept(path, deep), deep)
    for _ in range(600):
        deep = (deep,)
    if sys.version_info < (3, 12):  # from which on 800 levels are not too many
        for call in (save, load):
            with pytest.raises(ValueError, match="levels deep"):
                call(path, deep)
    for _ in range(100_000):
        deep = (deep,)
    for call in (save, load):
        with pytest.raises(ValueError, match="levels deep"):
            call(path, deep)


def test_several_threads_save_to_one_path(path: Path) -> None:
    def write(number: float) -> None:
        save(path, np.full(1000, number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, np.arange(40.0)))
    assert len(set(load(path, np.zeros(1000)).tolist())) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_run_can_be_changed_and_saved_again(path: Path) -> None:
    run = ledger(0)
    save(path, run)
    again = evolve(load(path, run), step=run.step + 1)
    assert kept(path, again, run).step == run.step + 1
