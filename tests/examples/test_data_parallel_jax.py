"""Training on eight devices with JAX gives the network that one machine trains."""

from pathlib import Path

from examples.training import added, assert_the_same_network, trained


def test_eight_devices_train_the_network_of_one(tmp_path: Path) -> None:
    theirs = trained(tmp_path, "data_parallel_jax", "import jax\n    assert jax.device_count() == 8")
    assert_the_same_network(theirs, trained(tmp_path, "single_machine"))


def test_it_adds_twenty_lines_at_most() -> None:
    assert 0 < len(added("data_parallel_jax")) <= 20
