"""torch, eager: the loss, its gradient by `torch.autograd.grad`, and the update in place.

Of the ways to write it that we tried, this is the fastest: modules with `loss.backward()` and `torch.optim.SGD`, fused
or not, take longer at the small sizes.
"""

from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from speed.contender import Arrays
from speed.problem import RATE, Problem

torch: Any = import_module("torch")  # which need not be installed where types are checked
F: Any = import_module("torch.nn.functional")


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return torch.addmm(b2, torch.relu(torch.addmm(b1, x, W1)), W2)


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    return F.cross_entropy(predict(params, x), labels)


class Torch:
    """Tensors that need gradients."""

    def __init__(self, problem: Problem) -> None:
        self.params = [torch.tensor(array, requires_grad=True) for array in problem.start]
        self.x, self.labels = torch.from_numpy(problem.x), torch.from_numpy(problem.labels)
        self.value: Any = None
        self.out: Any = None

    def steps(self, count: int) -> None:
        params, x, labels, loss = self.params, self.x, self.labels, self.value
        for _ in range(count):
            loss = cross_entropy(params, x, labels)
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for param, grad in zip(params, grads, strict=True):
                    param.sub_(grad, alpha=RATE)
        self.value = loss.detach()

    def loss(self) -> float:
        return float(self.value)

    def parameters(self) -> Arrays:
        W1, b1, W2, b2 = (parameter.detach().numpy() for parameter in self.params)
        return W1, b1, W2, b2

    def predictions(self, count: int) -> None:
        params, x = self.params, self.x
        with torch.inference_mode():
            for _ in range(count):
                self.out = predict(params, x)

    def logits(self) -> NDArray[Any]:
        out: NDArray[Any] = self.out.numpy()
        return out
