"""Train the two-layer network on two processes with dask: each computes the gradient of its half of a batch."""

import numpy as np
from distributed import Client, LocalCluster

from chainrule import accuracy, minibatches, sgd, softmax_cross_entropy, two_layer, value_and_grad
from chainrule.datasets import digits
from chainrule.training.shards import combine

EPOCHS, BATCH = 5, 128
WORKERS = 2


def train(client: Client) -> two_layer.Params:
    """Learn to read handwritten digits."""
    rng = np.random.default_rng(0)
    train, optimizer = digits().train, sgd(0.3)
    params = two_layer.init(rng, 64, 50, 10, std=0.1)
    state = optimizer.init(params)
    gradient = value_and_grad(two_layer.network, softmax_cross_entropy)
    for epoch in range(EPOCHS):
        for x, labels in minibatches(rng, train.x, train.labels, BATCH):
            xs, parts = np.array_split(x, WORKERS), np.array_split(labels, WORKERS)
            shards = client.gather(client.map(gradient, [params] * WORKERS, xs, parts, pure=False))
            loss, grads = combine(shards, [len(part) for part in parts])
            params, state = optimizer.step(state, params, grads)
        print(f"epoch {epoch + 1}: the last loss was {loss:.4f}")
    return params


if __name__ == "__main__":
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as c:
        params, test = train(c), digits().test
    print(f"accuracy on digits not seen before: {accuracy(two_layer.predict(params, test.x), test.labels):.1%}")
