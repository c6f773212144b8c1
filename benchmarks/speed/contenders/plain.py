"""chainrule in two calls, for those who look at the gradient: `value_and_grad`, then `sgd(rate).step`."""

from chainrule import softmax_cross_entropy, two_layer, value_and_grad
from speed.contenders.ours import OPTIMIZER, Ours

gradient = value_and_grad(two_layer.network, softmax_cross_entropy)


class Plain(Ours):
    """The plain composition."""

    def steps(self, count: int) -> None:
        params, state, x, labels, loss = self.params, self.state, self.x, self.labels, self.value
        for _ in range(count):
            loss, grads = gradient(params, x, labels)
            params, state = OPTIMIZER.step(state, params, grads)
        self.params, self.state, self.value = params, state, loss
