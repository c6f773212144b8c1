"""Training on two processes with dask gives the network that one machine trains."""

from pathlib import Path

from examples.training import EXAMPLES, added, assert_the_same_network, trained

CLUSTER = """
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)
    import os

    assert len({os.getpid(), *client.run(os.getpid).values()}) == 3
"""


def test_two_processes_train_the_network_of_one(tmp_path: Path) -> None:
    call = "data_parallel_dask.train(client)"
    theirs = trained(tmp_path, "data_parallel_dask", CLUSTER, call)
    assert_the_same_network(theirs, trained(tmp_path, "single_machine"))


def test_it_adds_twenty_lines_at_most_and_the_page_says_how_many() -> None:
    lines = len(added("data_parallel_dask"))
    assert 0 < lines <= 20
    page = EXAMPLES.parent / "docs" / "how-to" / "several-machines-dask.md"
    assert f"is `examples/single_machine.py` with {lines} lines more" in page.read_text("utf-8")
