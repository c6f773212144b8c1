"""IDX files: what is written is read, and what is not whole is refused, at no cost in memory."""

import gzip
import io
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.datasets import IdxError, load_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def with_name(data: bytes) -> bytes:
    """The output of the program gzip, whose header holds the name of the file."""
    buffer = io.BytesIO()
    with gzip.GzipFile("train-images", "wb", fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "gzip with a file name": with_name,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes} | COMPRESSIONS
compressions = st.sampled_from(list(COMPRESSIONS.values()))
each_packing = pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS.keys())
packings = st.sampled_from(list(PACKINGS.values()))

shapes = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)


def arrays(shapes: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[NDArray[Any]]:
    """All six types, from drawn bytes: -0.0, subnormal numbers and every kind of nan among them."""

    def of(kind: str, shape: tuple[int, ...]) -> st.SearchStrategy[NDArray[Any]]:
        n = prod(shape) * np.dtype(kind).itemsize
        return st.binary(min_size=n, max_size=n).map(lambda raw: np.frombuffer(raw, kind).reshape(shape))

    return st.tuples(st.sampled_from(list(CODES)), shapes).flatmap(lambda drawn: of(*drawn))


def header(code: int, *sides: int) -> bytes:
    return bytes([0, 0, code, len(sides)]) + b"".join(side.to_bytes(4, "big") for side in sides)


def idx(array: NDArray[Any]) -> bytes:
    big = array.astype(array.dtype.newbyteorder(">"))
    return header(CODES[array.dtype.name], *array.shape) + big.tobytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "train-images"


def load(path: Path, data: bytes) -> NDArray[Any]:
    path.write_bytes(data)
    return load_idx(path)


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Equal bit for bit, nan included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def peak_of(call: Callable[[], object]) -> int:
    """The most memory that Python and NumPy held beyond what they held before, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(array=arrays(shapes), pack=packings)
def test_what_is_written_is_read_bit_for_bit(path: Path, array: NDArray[Any], pack: Callable[[bytes], bytes]) -> None:
    assert same(load(path, pack(idx(array))), array)


@given(array=arrays(shapes), pack=packings)
def test_arrays_are_native_and_aligned_and_cannot_be_written(
    path: Path, array: NDArray[Any], pack: Callable[[bytes], bytes]
) -> None:
    loaded = load(path, pack(idx(array)))
    assert loaded.dtype.isnative
    assert loaded.flags.aligned
    assert loaded.flags.c_contiguous
    assert not loaded.flags.writeable
    assert not (isinstance(loaded.base, np.ndarray) and loaded.base.flags.writeable)


def test_a_file_known_by_heart(path: Path) -> None:
    data = bytes.fromhex("00000b02 00000002 00000003  0001 0002 0003  ffff fffe 8000")
    loaded = load(path, data)
    assert loaded.dtype == np.int16
    assert loaded.tolist() == [[1, 2, 3], [-1, -2, -32768]]


@each_packing
def test_files_longer_than_one_piece_are_read_whole(path: Path, pack: Callable[[bytes], bytes]) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)
    assert same(load(path, pack(idx(numbers))), numbers)
    assert same(load(path, pack(idx(numbers // 255))), numbers // 255)  # compressed to some hundredth


def test_the_name_does_not_say_what_is_compressed(path: Path) -> None:
    data = idx(np.arange(3, dtype=np.int32))
    for name, content in (("plain.gz", data), ("compressed", gzip.compress(data))):
        assert load(path.with_name(name), content).tolist() == [0, 1, 2]


def test_a_path_may_be_a_string(path: Path) -> None:
    path.write_bytes(idx(np.arange(3, dtype=np.uint8)))
    assert load_idx(str(path)).tolist() == [0, 1, 2]


def test_64_dimensions_are_the_most(path: Path) -> None:
    assert load(path, header(0x08, *[1] * 64) + b"\7").shape == (1,) * 64
    with pytest.raises(IdxError, match="declares 65 dimensions, expected 1 to 64"):
        load(path, header(0x08, *[1] * 65) + b"\7")


@given(array=arrays(shapes), pack=packings)
def test_every_proper_prefix_is_refused(path: Path, array: NDArray[Any], pack: Callable[[bytes], bytes]) -> None:
    data = pack(idx(array))
    for end in range(len(data)):
        with pytest.raises(IdxError, match="train-images: "):
            load(path, data[:end])


@given(array=arrays(shapes), pack=packings, more=st.binary(min_size=1))
def test_anything_that_follows_is_refused(
    path: Path, array: NDArray[Any], pack: Callable[[bytes], bytes], more: bytes
) -> None:
    data = idx(array)
    for longer in (pack(data) + more, pack(data + more), pack(data) + pack(more), pack(data) + pack(b"") + b"\0"):
        with pytest.raises(IdxError, match="train-images: "):
            load(path, longer)


@pytest.mark.parametrize("size", [2**power for power in range(10, 21)])
def test_what_follows_is_seen_wherever_reading_pauses(path: Path, size: int) -> None:
    """Files are read in pieces, and the compressed data may end exactly where one does."""
    data = gzip.compress(idx(np.arange(3, dtype=np.uint8)), mtime=0)
    name = b"a" * (size - len(data) - 1) + b"\0"
    data = data[:3] + b"\x08" + data[4:10] + name + data[10:]  # 8: a name follows the ten bytes of the header
    assert len(data) == size
    assert load(path, data).tolist() == [0, 1, 2]
    with pytest.raises(IdxError, match="has more after the end of its gzip data"):
        load(path, data + b"\0")


def flip(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")


def unharmed(path: Path, wrong: bytes, array: NDArray[Any]) -> bool:
    try:
        return same(load(path, wrong), array)
    except IdxError:
        return True


@given(array=arrays(shapes), pack=compressions, bit=st.integers(0))
def test_one_wrong_bit_in_a_compressed_file_is_refused_or_harmless(
    path: Path, array: NDArray[Any], pack: Callable[[bytes], bytes], bit: int
) -> None:
    data = pack(idx(array))
    assert unharmed(path, flip(data, bit % (8 * len(data))), array)


@pytest.mark.parametrize("pack", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_each_bit_of_a_compressed_file(path: Path, pack: Callable[[bytes], bytes]) -> None:
    array = np.arange(1, 7, dtype=np.int16).reshape(2, 3)
    data = pack(idx(array))
    assert all(unharmed(path, flip(data, bit), array) for bit in range(8 * len(data)))


def test_one_wrong_bit_in_a_plain_file_never_changes_the_shape(path: Path) -> None:
    """There is no checksum: a wrong bit in the numbers is another number, in the type another type of its size."""
    array = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)
    data = idx(array)
    loaded = 0
    for bit in range(8 * len(data)):
        try:
            assert load(path, flip(data, bit)).shape == (2, 3)
            loaded += 1
        except IdxError:
            pass
    assert loaded == 8 * array.nbytes + 1  # uint8 and int8 differ by one bit


def almost_idx(code: int, sides: list[int], rest: bytes) -> bytes:
    return header(code, *sides) + rest


almost = st.builds(
    almost_idx,
    st.sampled_from([*CODES.values(), 0x0A, 0]),
    st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=5),
    st.binary(max_size=40),
)
anything = st.one_of(st.binary(), st.binary().map(lambda rest: b"\x1f\x8b" + rest), almost, almost.map(gzip.compress))


@given(data=anything)
def test_bytes_of_any_kind_are_an_array_or_an_idx_error(path: Path, data: bytes) -> None:
    try:
        array = load(path, data)
    except IdxError:
        return
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    assert idx(array) == plain


MESSAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "has 0 bytes, an IDX file begins with 4"),
    "short": (b"\0\0\x08", "has 3 bytes, an IDX file begins with 4"),
    "picture": (b"\x89PNG\r\n", "is no IDX file: begins with 89 50, expected 00 00"),
    "type": (
        header(0x0A, 1) + b"\1",
        "declares type 0a, expected one of 08 (uint8), 09 (int8), 0b (int16), 0c (int32), 0d (float32), 0e (float64)",
    ),
    "no dimensions": (header(0x08) + b"\1", "declares 0 dimensions, expected 1 to 64"),
    "sides": (header(0x08, 1, 2, 3)[:10], "declares 3 dimensions, whose sizes take 12 bytes, has 6"),
    "missing": (header(0x08, 6, 28, 28) + bytes(4703), "declares 6x28x28 = 4704 bytes, has 4703"),
    "left over": (header(0x08, 6, 28, 28) + bytes(4705), "declares 6x28x28 = 4704 bytes, has 4705"),
    "floats": (header(0x0D, 2, 3) + bytes(23), "declares 2x3 float32 = 24 bytes, has 23"),
    "absurd": (header(0x08, *[2**31] * 3), f"declares {'x'.join(['2147483648'] * 3)} = {2**93} bytes, has 0"),
    "absurd and empty": (
        header(0x09, 0, *[2**32 - 1] * 2),
        "declares 0x4294967295x4294967295 = 0 bytes, but NumPy has no arrays with such sides",
    ),
    "compressed, missing": (gzip.compress(header(0x08, 3) + b"ab"), "declares 3 = 3 bytes, has 2"),
    "compressed, left over": (gzip.compress(header(0x08, 3) + b"abcd"), "declares 3 = 3 bytes, has more"),
    "compressed, cut": (gzip.compress(header(0x08, 3) + b"abc")[:-8], "has gzip data that breaks off"),
    "compressed, followed": (
        gzip.compress(header(0x08, 3) + b"abc") + b"\0",
        "has more after the end of its gzip data",
    ),
    "compressed, absurd": (
        gzip.compress(header(0x0C, 2**31) + bytes(10), mtime=0),
        "declares 2147483648 int32 = 8589934592 bytes, more than {size} bytes of gzip data can hold",
    ),
}


@pytest.mark.parametrize(("data", "message"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages_say_what_was_declared_and_what_is_there(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(IdxError) as caught:
        load(path, data)
    assert str(caught.value) == f"{path}: {message.format(size=len(data))}"


def test_damaged_gzip_data_is_the_cause_of_the_error(path: Path) -> None:
    data = bytearray(gzip.compress(idx(np.arange(100, dtype=np.uint8)), mtime=0))
    for position in (2, len(data) // 2, len(data) - 8, len(data) - 1):  # header, data, checksum, length
        wrong = data.copy()
        wrong[position] ^= 0xFF
        with pytest.raises(IdxError, match="train-images: damaged gzip data") as caught:
            load(path, bytes(wrong))
        assert isinstance(caught.value.__cause__, zlib.error)


def test_a_second_gzip_member_is_refused(path: Path) -> None:
    data = idx(np.arange(4, dtype=np.uint8))
    for end in (4, len(data) - 1, len(data)):
        with pytest.raises(IdxError):
            load(path, gzip.compress(data[:end]) + gzip.compress(data[end:]))


def test_absurd_sizes_take_no_memory(path: Path) -> None:
    for data in (header(0x0E, *[2**31] * 3), header(0x08, 2**40 // 2**10, 2**10), header(0x08, 0, *[2**32 - 1] * 63)):
        for pack in PACKINGS.values():
            path.write_bytes(pack(data))

            def refused() -> None:
                with pytest.raises(IdxError):
                    load_idx(path)

            assert peak_of(refused) < 2**20


def test_a_promise_that_gzip_could_keep_takes_no_memory_until_it_is_kept(path: Path) -> None:
    noise = np.random.default_rng(0).bytes(2**20)
    path.write_bytes(gzip.compress(header(0x08, 2**30) + noise, mtime=0))

    def refused() -> None:
        with pytest.raises(IdxError, match="= 1073741824 bytes, has 1048576"):
            load_idx(path)

    assert peak_of(refused) < 2**22


def test_a_gzip_bomb_takes_no_memory(path: Path) -> None:
    size = 2**26
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(header(0x08, 10, 28, 28)) + packer.compress(bytes(size)) + packer.flush()
    assert len(bomb) < size / 900
    path.write_bytes(bomb)

    def refused() -> None:
        with pytest.raises(IdxError, match="declares 10x28x28 = 7840 bytes, has more"):
            load_idx(path)

    assert peak_of(refused) < 2**20


@each_packing
def test_reading_takes_little_more_memory_than_the_array(path: Path, pack: Callable[[bytes], bytes]) -> None:
    array = np.random.default_rng(0).integers(0, 256, (2**12, 2**11), np.uint8)
    path.write_bytes(pack(idx(array)))
    assert peak_of(lambda: load_idx(path)) < 1.25 * array.nbytes  # a growing buffer has an eighth to spare


def test_a_missing_file_is_the_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        load_idx(tmp_path / "nothing-here")


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    for path in (os.devnull, tmp_path):
        with pytest.raises(IdxError, match=re.escape(f"{path}: is not a regular file")):
            load_idx(path)


@pytest.mark.parametrize("make", [getattr(os, "mkfifo", Path.mkdir)])  # a folder where the platform has no pipes
def test_a_pipe_is_refused_without_waiting_for_its_writer(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "pipe")
    load = f"from chainrule.datasets import load_idx; load_idx({str(tmp_path / 'pipe')!r})"
    ended = subprocess.run([sys.executable, "-c", load], capture_output=True, check=False, text=True, timeout=60)
    assert "pipe: is not a regular file" in ended.stderr


def test_errors_are_value_errors_and_pickle() -> None:
    error = pickle.loads(pickle.dumps(IdxError("train-images: has 0 bytes")))
    assert isinstance(error, ValueError)
    assert type(error) is IdxError
    assert str(error) == "train-images: has 0 bytes"
