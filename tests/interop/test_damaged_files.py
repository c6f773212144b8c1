"""Damaged files are refused, or give exactly what was saved. `make files` tries 20,000."""

import os
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from chainrule import Affine, load, save, tree
from interop.damaged import damaged, joined, split, whole

MANY = int(os.environ.get("FILES", "1500"))


def test_a_damaged_file_is_refused_or_gives_what_was_saved(tmp_path: Path) -> None:
    files = whole(tmp_path)
    path, found = tmp_path / "damaged.safetensors", Counter[str]()
    for which, how, data in damaged([each[0] for each in files], MANY):
        path.write_bytes(data)
        try:
            loaded = load(path, files[which][2])
        except ValueError:
            found["refused"] += 1
        else:
            assert tree.equal(loaded, files[which][1]), how
            found["equal"] += 1
        path.unlink()  # to write over a file makes some systems wait for the disk
    print(dict(found))  # noqa: T201  # `make files` shows it
    assert found["refused"] > 0.9 * MANY
    assert found.total() == MANY


def test_a_file_that_claims_a_terabyte_costs_no_memory(tmp_path: Path) -> None:
    path, like = tmp_path / "large.safetensors", Affine(np.zeros((3, 2)), np.zeros(2))
    save(path, like)
    header, numbers = split(path.read_bytes())
    size = 2**40
    header["W"] = {"dtype": "U8", "shape": [size], "data_offsets": [len(numbers), len(numbers) + size]}
    path.write_bytes(joined(header, numbers))
    try:
        os.truncate(path, path.stat().st_size + size)
    except OSError:
        pytest.skip("the file system has no files with holes")
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"unexpected: W u8\[1099511627776\]"):
        load(path, like)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_file_with_many_strange_names_has_a_short_message(tmp_path: Path) -> None:
    path = tmp_path / "many.safetensors"
    name = "\x1b[31m" + "x" * 500
    header = {f"{name}{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(1000)}
    path.write_bytes(joined(header, b""))
    with pytest.raises(ValueError, match=r"unexpected: \\x1b\[31mx+\.\.\. u8\[0\], .* and 992 more$") as error:
        load(path, ())
    assert len(str(error.value)) < 3000
