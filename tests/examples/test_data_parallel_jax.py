"""Training on eight devices with JAX gives the network that one machine trains."""

from pathlib import Path

from examples.training import EXAMPLES, added, assert_the_same_network, trained


def test_eight_devices_train_the_network_of_one(tmp_path: Path) -> None:
    theirs = trained(tmp_path, "data_parallel_jax", "import jax\n    assert jax.device_count() == 8")
    assert_the_same_network(theirs, trained(tmp_path, "single_machine"))


def test_it_adds_twenty_lines_at_most_and_the_page_says_how_many() -> None:
    lines = len(added("data_parallel_jax"))
    assert 0 < lines <= 20
    page = EXAMPLES.parent / "docs" / "how-to" / "several-machines-jax.md"
    assert f"is `examples/single_machine.py` with {lines} lines more" in page.read_text("utf-8")
