"""The command that measures what caches keep and what whole networks hold."""

import tracemalloc

import numpy as np
import pytest

from catalogue import ENCODERS, LAYERS, PARTLY_FIXED, Subject
from chainrule import Affine, PRelu, affine, prelu, read_only, recomputed, relu, sequential, tree
from memory import caches, peaks
from memory.__main__ import PAGE
from memory.caches import Kept, keeps, kept
from memory.typical import typical
from speed.page import present

X = read_only(np.ones((20, 5), np.float32))
PARAMS = Affine(np.ones((5, 3), np.float32), np.zeros(3, np.float32))
SUBJECTS = {each.name: each for each in (*LAYERS, *PARTLY_FIXED, *ENCODERS)}


def test_affine_keeps_its_input_and_nothing_beyond_it_and_the_parameters() -> None:
    out, cache = affine.forward(PARAMS, X)
    assert kept(PARAMS, X, out, cache) == []
    assert keeps(X, cache)


def test_a_copy_of_the_input_is_kept_beyond_it() -> None:
    x = X.copy()
    out, cache = affine.forward(PARAMS, x)
    assert kept(PARAMS, x, out, cache) == [Kept(("x",), x.nbytes, output=False)]
    assert not keeps(x, cache)


def test_relu_keeps_its_output() -> None:
    out, cache = relu.forward((), X)
    assert kept((), X, out, cache) == [Kept(("value",), X.nbytes, output=True)]
    assert not keeps(X, cache)


def test_what_two_layers_share_is_counted_once() -> None:
    params = (PARAMS, (), Affine(np.ones((3, 2), np.float32), np.zeros(2, np.float32)))
    out, cache = sequential(affine, relu, affine).forward(params, X)
    assert kept(params, X, out, cache) == [Kept(("value", "x"), 20 * 3 * 4, output=False)]


def test_a_layer_that_computes_again_keeps_its_input_alone() -> None:
    params = (PARAMS, ())
    out, cache = recomputed(sequential(affine, relu)).forward(params, X)
    assert kept(params, X, out, cache) == []
    assert keeps(X, cache)


def test_views_hold_the_whole_array_once() -> None:
    whole = np.zeros((100, 3))
    cache = (whole[:1], whole[5:7, :2], np.empty((0, 9)))
    assert [piece.bytes for piece in kept((), X, X, cache)] == [whole.nbytes]
    assert kept((), whole, X, cache) == []
    assert keeps(whole, cache)


def test_every_layer_of_the_catalogue_is_in_the_table() -> None:
    lines = caches.part().splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [*SUBJECTS]


def test_a_row_says_what_is_kept_in_multiples_of_the_input() -> None:
    assert caches.row(SUBJECTS["affine"]) == ["affine", "(256, 64)", "yes", "0.00", ""]
    assert caches.row(SUBJECTS["relu"]) == ["relu", "(256, 64)", "no", "1.00", "value (the output)"]
    assert caches.row(SUBJECTS["layer_norm"])[-2:] == ["1.00", "h 1.00, r"]  # r is one number for 256
    assert caches.row(SUBJECTS["encoded"])[3:] == ["256", "x 128, value 128"]  # 256 numbers of 4 bytes for one of 8


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("affine", (256, 64)),
        ("lstm", (8, 128, 256)),
        ("attention", (8, 128, 256)),
        ("attention with a mask", (8, 3, 256)),
        ("batch_norm in use", (8, 128, 3)),
        ("convolution", (8, 28, 28, 32)),
        ("embedding", (256,)),
    ],
)
def test_a_case_is_as_large_as_usual_but_for_what_an_option_fixes(name: str, shape: tuple[int, ...]) -> None:
    params, x = typical(SUBJECTS[name])
    out, _ = SUBJECTS[name].layer.forward(params, x)
    assert x.shape == shape
    assert name == "embedding" or out.shape == shape
    assert {leaf.dtype for leaf in tree.leaves(params)} <= {np.dtype(np.float32)}


def test_heads_are_as_wide_together_as_the_input() -> None:
    params, _ = typical(SUBJECTS["attention"])
    assert [leaf.shape for leaf in tree.leaves(params)] == [(256, 768), (768,), (256, 256), (256,)]


def test_a_new_layer_has_a_row_by_its_line_in_the_catalogue() -> None:
    new = Subject("new", sequential(affine, relu), lambda rng, n, dtype: ((PARAMS, ()), np.ones((n, 5), dtype)))
    assert caches.row(new) == ["new", "(256, 60)", "yes", "1.05", "value (the output)"]  # 3 features become 63


@pytest.mark.parametrize("shape", [(2, 1, 1, 1, 3), (300, 300)])
def test_a_layer_of_an_unusual_size_has_a_row_too(shape: tuple[int, ...]) -> None:
    new = Subject("new", prelu, lambda rng, n, dtype: (PRelu(np.ones(shape[-1], dtype)), np.ones(shape, dtype)))
    name, _, keeps_input, *beyond = caches.row(new)
    assert (name, keeps_input, beyond) == ("new", "yes", ["0.00", ""])


def test_a_peak_is_the_most_during_a_call_and_before_it() -> None:
    tracemalloc.start()
    try:
        before = np.zeros(1_000_000, np.uint8)
        np.zeros(9_000_000, np.uint8)  # gone before the call
        found = peaks.peak(lambda: (np.zeros(2_000_000, np.uint8), np.zeros(500_000, np.uint8)))
    finally:
        tracemalloc.stop()
    assert 0 <= found - before.nbytes - 2_500_000 < 50_000  # Python's objects


def test_a_network_holds_its_parameters_its_batch_and_its_caches() -> None:
    found = peaks.peaks("the README's, 1,024 rows")
    assert found.params == 4 * (64 * 50 + 50 + 50 * 10 + 10)
    assert found.batch == 1024 * (4 * 64 + 8)
    assert found.caches == 1024 * 4 * 50
    assert found.prediction >= found.params + found.batch + 1024 * 4 * 10
    assert found.step >= 2 * found.params + found.batch + found.caches  # the gradients are as large as the parameters


@pytest.mark.parametrize("name", peaks.NETWORKS)
def test_a_network_takes_a_step(name: str) -> None:
    make, _ = peaks.NETWORKS[name]
    whole = make(np.random.default_rng(0), 2)
    assert peaks.once(whole) == (0, 0)  # nobody keeps account
    assert whole.network.forward(whole.params, whole.x)[0].shape == (2, peaks.CLASSES)


def test_blocks_that_are_recomputed_keep_their_inputs_alone() -> None:
    whole = peaks.of_recomputed_blocks(np.random.default_rng(0), 2)
    out, cache = whole.network.forward(whole.params, whole.x)
    inputs = [piece.bytes for piece in kept(whole.params, whole.x, out, cache) if piece.bytes >= whole.x.nbytes]
    assert inputs == [whole.x.nbytes] * (peaks.BLOCKS - 1)  # the first is the batch


def test_a_row_of_the_peaks_comes_from_a_process_of_its_own() -> None:
    name, *sizes, inside, predicted, stepped = peaks.row("the README's, 32 rows")
    assert (name, sizes) == ("the README's, 32 rows", ["0.015 MB", "0.0084 MB"])
    assert 0 < float(inside) < float(predicted) < float(stepped) < 5


def test_the_page_has_a_place_for_each_table() -> None:
    assert present(PAGE.read_text("utf-8")).keys() == {"caches", "peaks"}
