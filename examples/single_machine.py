"""Train the two-layer network on one machine: the examples with several machines are this and a few lines more."""

import numpy as np

from chainrule import accuracy, minibatches, sgd, softmax_cross_entropy, training_step, two_layer
from chainrule.datasets import digits

EPOCHS, BATCH = 5, 128


def train() -> two_layer.Params:
    """Learn to read handwritten digits."""
    rng = np.random.default_rng(0)
    train, optimizer = digits().train, sgd(0.3)
    params = two_layer.init(rng, 64, 50, 10, std=0.1)
    state = optimizer.init(params)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    for epoch in range(EPOCHS):
        for x, labels in minibatches(rng, train.x, train.labels, BATCH):
            params, state, loss = step(params, state, x, labels)
        print(f"epoch {epoch + 1}: the last loss was {loss:.4f}")
    return params


if __name__ == "__main__":
    params, test = train(), digits().test
    print(f"accuracy on digits not seen before: {accuracy(two_layer.predict(params, test.x), test.labels):.1%}")
