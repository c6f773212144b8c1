"""torch, compiled: loss, gradient and update as one function in `torch.compile`."""

from typing import Any

from numpy.typing import NDArray

from speed.contender import Arrays
from speed.contenders.in_torch import cross_entropy, predict, torch
from speed.problem import RATE, Problem


def step(params: Any, x: Any, labels: Any) -> Any:
    grads, loss = torch.func.grad_and_value(cross_entropy)(params, x, labels)
    for param, grad in zip(params, grads, strict=True):
        param.sub_(grad, alpha=RATE)
    return loss


class Compiled:
    """The parameters are updated in place; the loss is a tensor that is not looked at."""

    def __init__(self, problem: Problem) -> None:
        self.params = tuple(torch.from_numpy(array.copy()) for array in problem.start)
        self.x, self.labels = torch.from_numpy(problem.x), torch.from_numpy(problem.labels)
        torch.compiler.reset()  # a size of its own, not one of many
        self.step, self.predict = torch.compile(step), torch.compile(predict)
        self.value: Any = None
        self.out: Any = None

    def steps(self, count: int) -> None:
        take, params, x, labels, loss = self.step, self.params, self.x, self.labels, self.value
        with torch.no_grad():
            for _ in range(count):
                loss = take(params, x, labels)
        self.value = loss

    def loss(self) -> float:
        return float(self.value)

    def parameters(self) -> Arrays:
        W1, b1, W2, b2 = (parameter.numpy() for parameter in self.params)
        return W1, b1, W2, b2

    def predictions(self, count: int) -> None:
        predicted, params, x = self.predict, self.params, self.x
        with torch.inference_mode():
            for _ in range(count):
                self.out = predicted(params, x)

    def logits(self) -> NDArray[Any]:
        out: NDArray[Any] = self.out.numpy()
        return out
