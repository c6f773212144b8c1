"""Files of ours, and ways to damage them: `make files` tries 20,000."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import Affine, BatchNorm, Statistics, adam, record, save, two_layer
from chainrule.arrays.types import is_dict, is_list

Damage: TypeAlias = Callable[[np.random.Generator, bytes], bytes]


@frozen(eq=False)
@record
class Ledger:
    """A record with everything that a file may hold."""

    step: int
    seed: int
    params: tuple[Affine, tuple[()], BatchNorm]
    state: Any
    statistics: Any
    losses: Any
    mask: Any
    keys: Any
    rate: float
    name: str
    stopped: bool
    best: float | None
    metrics: Any
    note: bytes = b"\x00\xff"
    turn: complex = 1j


def ledger(seed: int) -> Ledger:
    rng = np.random.default_rng(seed)
    params = (Affine.init(rng, 3, 4), (), BatchNorm.init(4))
    return Ledger(
        step=int(rng.integers(100)),
        seed=int(rng.integers(2**63)) << 64 | 1,
        params=params,
        state=adam(1e-3).init(params),
        statistics=((), (), Statistics(rng.standard_normal(4), rng.random(4))),
        losses=rng.standard_normal(5),
        mask=rng.random(3) < 0.5,
        keys=rng.integers(2**64, size=4, dtype=np.uint64),
        rate=float(rng.random()),
        name="run of \N{GREEK SMALL LETTER BETA}",
        stopped=bool(rng.random() < 0.5),
        best=float(rng.random()) if seed % 2 else None,
        metrics=MappingProxyType({"accuracy": float(rng.random()), "rows": 7}),
    )


def whole(folder: Path) -> list[tuple[bytes, Any, Any]]:
    """The bytes of some files, with the trees that were saved, and others of their form."""
    found: list[tuple[bytes, Any, Any]] = []
    for i in range(4):
        first, second = (np.random.default_rng(seed) for seed in (i, 10 + i))
        for tree, like in (
            (ledger(i), ledger(10 + i)),
            (two_layer.init(first, 3, 4, 2), two_layer.init(second, 3, 4, 2)),
            (np.ones(i), np.zeros(i)),
        ):
            path = folder / "whole.safetensors"
            save(path, tree)
            found.append((path.read_bytes(), tree, like))
    return found


def changed_bits(rng: np.random.Generator, data: bytes) -> bytes:
    made = bytearray(data)
    for place in rng.integers(len(made), size=rng.integers(1, 4)):
        made[place] ^= 1 << int(rng.integers(8))
    return bytes(made)


def changed_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    made = bytearray(data)
    for place in rng.integers(len(made), size=rng.integers(1, 9)):
        made[place] = int(rng.choice(np.frombuffer(b'\x00\xff"{}[]:,019', np.uint8)))
    return bytes(made)


def cut(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: rng.integers(len(data))]


def without_a_piece(rng: np.random.Generator, data: bytes) -> bytes:
    a, b = sorted(rng.integers(len(data), size=2).tolist())
    return data[:a] + data[b:]


def with_a_piece_more(rng: np.random.Generator, data: bytes) -> bytes:
    a, b, c = sorted(rng.integers(len(data) + 1, size=3).tolist())
    return data[:c] + data[a:b] + data[c:] if rng.random() < 0.5 else data[:c] + rng.bytes(7) + data[c:]


def with_a_piece_of_zeros(rng: np.random.Generator, data: bytes) -> bytes:
    a, b = sorted(rng.integers(len(data) + 1, size=2).tolist())
    return data[:a] + bytes(b - a) + data[b:]


def of_another_length(rng: np.random.Generator, data: bytes) -> bytes:
    lengths = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1, int(rng.integers(len(data)))]
    return lengths[rng.integers(len(lengths))].to_bytes(8, "little") + data[8:]


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the numbers."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def joined(header: object, numbers: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


HOSTILE: list[Any] = [
    0,
    1,
    -1,
    2**31,
    2**63,
    2**64,
    2**70,
    1.5,
    None,
    True,
    "",
    "F64",
    "BOOL",
    "U64",
    "F4",
    "\x00",
    "x" * 1000,
    [],
    {},
    [0],
    [0, 0],
    [2**32, 2**32],
    [2**64],
    [-1, 3],
    [0, 2**62],
    [[0]],
    {"a": 1},
    "[" * 5000,
    "nan",
    "9" * 5000,
    '{"": ["int", "1e9"]}',
    '{".rate": ["float", "0x1p99999"]}',
    '{".step": ["int", "0x5"]}',
    '{".step": "int"}',
]


def with_another_entry(rng: np.random.Generator, data: bytes) -> bytes:
    """A header in which some value is another, at any depth."""
    header, numbers = split(data)
    at: Any = header
    while True:
        keys: list[Any] = [*at] if is_dict(at) else [*range(len(at))]
        if not keys:
            return joined([], numbers)
        key = keys[rng.integers(len(keys))]
        inner: Any = at[key]
        if not (is_dict(inner) or is_list(inner)) or not inner or rng.random() < 0.2:
            at[key] = HOSTILE[rng.integers(len(HOSTILE))]
            return joined(header, numbers)
        at = inner


def with_other_names(rng: np.random.Generator, data: bytes) -> bytes:
    """A header in which two entries change places, one is missing, or one is there twice."""
    header, numbers = split(data)
    names = list(header)
    a, b = names[rng.integers(len(names))], names[rng.integers(len(names))]
    kind = rng.integers(4)
    if kind == 0:
        header[a], header[b] = header[b], header[a]
    elif kind == 1:
        del header[a]
    elif kind == 2:
        header[f"{a}~"] = header[b]
    else:
        text = json.dumps(header)[:-1] + f", {json.dumps(a)}: {json.dumps(header[b])}}}"
        return len(text).to_bytes(8, "little") + text.encode() + numbers
    return joined(header, numbers)


def with_other_metadata(rng: np.random.Generator, data: bytes) -> bytes:
    """A name of the metadata that is another, and a byte of the numbers."""
    header, numbers = split(data)
    names = list(header["__metadata__"])
    name = names[rng.integers(len(names))]
    text = header["__metadata__"].pop(name)
    if rng.random() < 0.5:
        header["__metadata__"][changed_bits(rng, name.encode()).decode("utf-8", "replace")] = text
    return joined(header, changed_bits(rng, numbers) if numbers and rng.random() < 0.5 else numbers)


DAMAGES: list[Damage] = [
    changed_bits,
    changed_bytes,
    cut,
    without_a_piece,
    with_a_piece_more,
    with_a_piece_of_zeros,
    of_another_length,
    with_another_entry,
    with_other_names,
    with_other_metadata,
]


def damaged(files: list[bytes], many: int) -> Iterator[tuple[int, str, bytes]]:
    """So many damaged files: the number of the whole one, how it was damaged, and what became of it."""
    for seed in range(many):
        rng = np.random.default_rng(seed)
        damage = DAMAGES[seed % len(DAMAGES)]
        which = int(rng.integers(len(files)))
        yield which, f"{damage.__name__}, seed {seed}", damage(rng, files[which])
