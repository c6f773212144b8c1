"""The whole way, in processes: who agrees is timed, and who can't take part is named with the reason."""

from pathlib import Path
from signal import SIGKILL, raise_signal

import numpy as np
import pytest

from chainrule import dropout
from speed.harness import Plan
from speed.options import read
from speed.problem import LARGE, Size
from speed.processes import FailureError, ask, process
from speed.workloads import (
    generation,
    layers,
    losses,
    memory,
    networks,
    numerical,
    optimizers,
    passes,
    peaks,
    starting,
    steps,
    training,
    versions,
    waterfall,
)

SIZE = Size(6, 5, 3, 4)
PLAN = Plan(rounds=3, block=0.001)


def test_a_contest_is_timed_and_who_is_not_installed_is_named() -> None:
    # thinc is never where tests are run: it sets NumPy's random state on import.
    names = ("the limit", "chainrule", "the original", "thinc")
    for train in (True, False):
        rows = {row["contender"]: row for row in steps.contest([SIZE], names, "one", PLAN, train=train)}
        assert tuple(rows) == names
        missing = rows.pop("thinc")
        assert missing["failure"] == "ModuleNotFoundError: No module named 'thinc'"
        for row in rows.values():
            assert (row["size"], row["threads"], row["rounds"]) == ("6-5-3/4", "one", 3)
            assert 0 < row["seconds"]["low"] <= row["seconds"]["median"] <= row["seconds"]["high"]
        same = {"median": 1.0, "low": 1.0, "high": 1.0}
        assert rows["the limit"]["to_limit"] == rows["chainrule"]["ours_to_it"] == same
        text = steps.parts([row | {"what": "steps"} for row in (*rows.values(), missing)])["one-thread"]
        assert "thinc was not measured: ModuleNotFoundError: No module named 'thinc'." in text
        assert "| the original |" in text


def test_a_process_that_ends_says_so() -> None:
    with process() as child, pytest.raises(FailureError, match="BrokenProcessPool"):
        ask(child, raise_signal, SIGKILL)


def test_a_layer_is_measured_beside_other_libraries() -> None:
    rows = layers.compare("sigmoid", (3, 4), PLAN)
    assert [row["contender"] for row in rows] == ["chainrule", "torch", "JAX"]
    assert rows[0]["ours_to_it"]["median"] == 1.0
    for row in rows[1:]:
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0
    assert "| sigmoid | 3 \N{MULTIPLICATION SIGN} 4 |" in layers.parts(rows)["layers"]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("attention", (2, 5, 16)),
        ("attention, causal", (2, 5, 16)),
        ("attention, rotary", (2, 5, 16)),
        ("rotary", (2, 5, 16)),
        ("positions", (2, 5, 16)),
        ("embedding of 65", (9,)),
        ("dropout", (30, 20)),
        ("lstm", (2, 5, 4)),
        ("gru", (2, 5, 4)),
        ("layer_norm", (5, 16)),
        ("rms_norm", (5, 16)),
        ("batch_norm", (5, 16)),
        ("group_norm", (2, 5, 5, 16)),
    ],
)
def test_norms_and_layers_of_sequences_are_those_of_other_libraries(name: str, size: tuple[int, ...]) -> None:
    for row in layers.compare(name, size, PLAN):
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0


def test_of_what_is_drawn_that_agrees_which_does_not_depend_on_it() -> None:
    settled, ones = layers.LINES["dropout"].settled, np.ones((30, 20), np.float32)
    for seed in (1, 2):
        mask = dropout(0.5, seed).forward((), ones)[0]
        out, (dx,) = settled(3 * ones, 5 * ones, 3 * mask, [5 * mask])
        assert (out == 6).all()
        assert (dx == 10).all()
        assert (settled(3 * ones, ones, 2 * mask, [mask])[0] != 6).any()
    for wrong in (mask[::-1], ones * 2, ones * 0):
        with pytest.raises(RuntimeError, match="other entries are dropped"):
            settled(ones, ones, wrong, [mask])


@pytest.mark.parametrize("name", [name for name in layers.LINES if "convolution" in name])
def test_convolutions_are_those_of_the_other_libraries(name: str) -> None:
    (_, *positions, channels) = layers.LINES[name].sizes[0]
    rows = layers.compare(name, (2, *(5 for _ in positions), channels), PLAN)
    assert all("ours_to_it" in row or "No module named" in row["failure"] for row in rows)


@pytest.mark.parametrize("name", [name for name in layers.LINES if "pool" in name])
def test_pools_are_those_of_the_other_libraries(name: str) -> None:
    rows = layers.compare(name, (2, 6, 6, 3), PLAN)
    assert all("ours_to_it" in row or "No module named" in row["failure"] for row in rows)


@pytest.mark.parametrize("name", optimizers.LINES)
def test_an_optimizer_is_measured_beside_torchs_if_they_agree(name: str) -> None:
    rows = optimizers.compare(name, (30, 4), PLAN)
    assert [row["contender"] for row in rows] == ["chainrule", "torch"][: 1 if name == "lion" else 2]
    assert rows[0]["ours_to_it"]["median"] == 1.0
    for row in rows[1:]:
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0
    (cells,) = (line.split(" | ") for line in optimizers.parts(rows)["optimizers"].splitlines() if name in line)
    assert [cell.strip(" |") for cell in cells][:2] == [name, "30 \N{MULTIPLICATION SIGN} 4"]


@pytest.mark.parametrize("name", losses.LINES)
def test_a_loss_is_measured_beside_other_libraries_if_they_agree(name: str) -> None:
    rows = losses.compare(name, (30, 4), PLAN)
    assert [row["contender"] for row in rows] == ["chainrule", "torch", "JAX"]
    assert rows[0]["ours_to_it"]["median"] == 1.0
    for row in rows[1:]:
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0
    (cells,) = (line.split(" | ") for line in losses.parts(rows)["losses"].splitlines() if name in line)
    assert [cell.strip(" |") for cell in cells][:2] == [name, "30 \N{MULTIPLICATION SIGN} 4"]


@pytest.mark.parametrize(("name", "size"), [("GPT", (2, 5, 8, 2))])
def test_a_step_of_a_network_is_measured_beside_other_libraries_if_they_agree(name: str, size: tuple[int, ...]) -> None:
    rows = networks.compare(name, size, PLAN, compiles=False)
    assert [row["contender"] for row in rows] == ["chainrule", "torch", "JAX"]
    assert rows[0]["ours_to_it"]["median"] == 1.0
    for row in rows[1:]:
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0
    assert f"| {name} " in networks.parts(rows)["networks"]


# Products forward and twice as many back, two operations for each factor of an entry. GPT: 12 d^2 weights in each block
# and the head; in the heads, 64 rows of 64 columns and 6 rows of 70, in two products forward and four back. Convnet: 9
# weights for each pair of channels; the first convolution does not go back to x. LSTM: neither does it.
OPERATIONS: dict[tuple[str, tuple[int, ...]], int] = {
    ("GPT", (2, 70, 8, 2)): 3 * 2 * 140 * (2 * 12 * 8**2 + 8 * 64) + 6 * 2 * 2 * 2 * 8 * (64 * 64 + 6 * 70),
    ("convnet", (3, 8, 8, 1)): 2 * 3 * (2 * 64 * 9 * 32 + 3 * 16 * 9 * 32 * 64 + 3 * (4 * 64 * 128 + 128 * 10)),
    ("LSTM", (3, 5, 4, 6)): 2 * 3 * (5 * (2 * 4 + 3 * 6) * 24 + 3 * 6 * 10),
}


@pytest.mark.parametrize(("name", "size"), OPERATIONS)
def test_the_products_and_exponentials_of_a_step_are_parts_of_it(name: str, size: tuple[int, ...]) -> None:
    row = passes.of_size(name, size, PLAN)
    assert row["operations"] == OPERATIONS[name, size]
    assert all(row[part]["median"] > 0 for part in ("step", "products", "calls", "large product"))
    assert ("copies" in row) == (name == "convnet")
    (line,) = passes.parts([row])["passes"].splitlines()[2:]
    assert line.split("|")[1].strip() == name


def test_writing_is_measured_beside_torch_if_the_tokens_are_equal() -> None:
    rows = generation.compare((3, 12, 8, 2), PLAN)
    assert [(row["contender"], row["tokens"]) for row in rows] == [("chainrule", 12), ("torch", 12)]
    assert rows[0]["ours_to_it"]["median"] == 1.0
    for row in rows[1:]:
        assert "No module named" in row["failure"] if "failure" in row else row["ours_to_it"]["median"] > 0
    assert "| 3     | chainrule  |" in generation.parts(rows)["generation"]


def test_the_peak_of_a_network_is_measured_beside_torchs() -> None:
    ours, theirs = peaks.compare("GPT", (2, 5, 8, 2))
    assert ours["before"] < ours["during"]
    assert ours["rise"] == ours["during"] - ours["before"]
    assert ours["ours_to_rise"] == ours["ours_to_during"] == 1.0
    if "failure" in theirs:
        assert "No module named" in theirs["failure"]
    else:
        assert theirs["ours_to_during"] == ours["during"] / theirs["during"]
    assert "| chainrule | " in peaks.parts([ours, theirs])["peaks"]


def test_a_tree_beside_itself_differs_by_nothing_but_noise() -> None:
    rows = list(versions.start(SIZE, versions.NEW, Plan(rounds=9, block=0.001, before=0.001, alike=True)))
    assert [(row["kind"], row["pairs"]) for row in rows] == [("training_step", 18), ("pairs", 18)]
    assert all(0.2 < row["ratio"] < 5 for row in rows)


def test_another_tree_must_have_the_package(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"chainrule was imported from .*, and should be from"):
        list(versions.start(SIZE, tmp_path, PLAN))


def test_the_worst_start_counts_and_noise_is_named() -> None:
    same = {"kind": "pairs", "size": "5-4-3/2", "old": 2e-6, "new": 1e-6}
    rows = [same | {"ratio": ratio, "noise": noise} for ratio, noise in ((0.5, 0.001), (0.7, -0.004), (0.6, 0.0))]
    text = versions.parts(rows)["versions"]
    assert text.splitlines()[-1].split("|")[3:-1] == [
        " 2.00 µs ",
        " 1.00 µs ",
        "     0.600 ",
        "       0.700 ",
        "             0.4% ",
    ]
    assert "0.6% **too much**" in versions.parts([*rows, rows[0] | {"noise": -0.006}])["versions"]


def test_a_waterfall_has_every_part() -> None:
    found = waterfall.of_size(SIZE, 1)
    assert [kernel["name"] for kernel in found["kernels"]] == [
        name for call in found["calls"] for name in call["kernels"]
    ]
    assert set(found["steps"]) == {"training_step", "value_and_grad, then step"}
    assert all(each["seconds"] > 0 for each in (*found["kernels"], *found["calls"]))


def test_what_must_be_held_is_parameters_gradients_and_caches() -> None:
    assert memory.needed(Size(2, 3, 4, 5)) == 4 * (2 * (2 * 3 + 3 + 3 * 4 + 4) + 5 * 2 + 5 * 3 + 5 * 4)
    assert memory.needed(LARGE) == 114_548_544


def test_memory_is_that_of_the_steps() -> None:
    size = Size(300, 400, 50, 60)
    least = 4 * (2 * size.parameters + size.batch * size.n_in)  # parameters, gradients, the batch
    with process() as child, process() as another:
        assert least < ask(another, memory.of_arrays, size) < 4 * least
        found = ask(child, memory.of_process, "chainrule", size)
    assert least < found["before"] <= found["ever"]
    assert found["during"] <= found["ever"]


def test_a_numerical_gradient_is_measured_and_right() -> None:
    found = numerical.of_batch(2, 5)
    assert found["parameters"] == 39_760
    assert found["original"] > 0
    assert found["complex error"] < 1e-12
    assert found["central error"] < 1e-5


def test_training_is_counted() -> None:
    found = training.train(3, None)
    assert (found["steps"], found["data"]) == (3, "random")
    assert 0 < found["loss"] < 3
    assert found["seconds"] > 0


def test_the_first_step_and_an_import_are_timed() -> None:
    rows = list(starting.measure(read(["--quick", "--only", "chainrule"])))
    assert [row.get("contender", row.get("import")) for row in rows] == [
        "chainrule",
        "numpy",
        "chainrule",
        "all of its names",
    ]
    assert all(row["median"] > 0 for row in rows)
