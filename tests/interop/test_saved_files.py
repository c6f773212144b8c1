"""Files that earlier releases have saved are loaded, as docs/stability.md promises.

At a release, `PYTHONPATH=tests python -m interop.test_saved_files` writes that of its version. Those of others stay as
they are.
"""

from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Convolution,
    Embedding,
    LayerNorm,
    Lstm,
    Statistics,
    adam,
    load,
    own,
    save,
    tree,
)

SAVED = Path(__file__).parent / "saved"
FILES = sorted(SAVED.glob("*.safetensors"))


def blank() -> Any:
    """Parameters of some layers, the state of an optimizer, and statistics."""
    rng = np.random.default_rng(0)
    params = (
        Embedding.init(rng, 5, 4),
        (LayerNorm.init(4), Lstm.init(rng, 4, 3)),
        (),
        Convolution.init(rng, 2, 3, 3, dtype=np.float16),
        Affine.init(rng, 3, 2, dtype=np.float64),
    )
    zero = np.zeros(3, np.float32)
    return params, adam(0.1).init(params), Statistics(zero, zero)


def filled() -> Any:
    """The same, where the arrays hold 0, 1, 2, ..., from one array to the next."""
    numbers = count()

    def fill(array: Array) -> Array:
        return own(np.array([next(numbers) for _ in range(array.size)]).reshape(array.shape).astype(array.dtype))

    return tree.map(fill, blank())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_of_a_release_is_loaded(path: Path) -> None:
    loaded = load(path, like=blank())
    assert tree.equal(loaded, filled())
    assert [leaf.dtype for leaf in tree.leaves(loaded)] == [leaf.dtype for leaf in tree.leaves(blank())]


def test_there_is_one_of_this_version() -> None:
    assert SAVED / f"{version('chainrule')}.safetensors" in FILES


if __name__ == "__main__":
    save(SAVED / f"{version('chainrule')}.safetensors", filled())
