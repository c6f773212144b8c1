"""torch, eager and compiled.

Of the ways to write an eager step that we tried, `torch.autograd.grad` and an update in place is the fastest: modules
with `loss.backward()` and `torch.optim.SGD`, fused or not, take longer at the small sizes.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from speed.contender import Contender
from speed.problem import Problem

torch: Any = import_module("torch")  # it need not be installed where types are checked


def predict(params: Any, x: Any) -> Any:
    W1, b1, W2, b2 = params
    return torch.addmm(b2, torch.relu(torch.addmm(b1, x, W1)), W2)


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    return torch.nn.functional.cross_entropy(predict(params, x), labels)


def descend(params: Any, grads: Any, rate: float) -> None:
    for param, grad in zip(params, grads, strict=True):
        param.sub_(grad, alpha=rate)


class Torch(Contender):
    """The loss is a tensor that is not looked at."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.device = "cpu" if problem.device == "cpu" else "cuda"
        self.params, self.x = tuple(map(self.put, problem.start)), self.put(problem.x)
        self.labels = torch.tensor(problem.labels).to(self.device)
        self.predict = predict

    def put(self, array: NDArray[Any]) -> Any:
        return torch.tensor(array).to(self.device, getattr(torch, self.problem.dtype))

    def steps(self) -> Iterator[Any]:
        params, x, labels, rate = self.params, self.x, self.labels, self.problem.rate
        values = [param.detach() for param in params]
        for param in params:
            param.requires_grad_()
        while True:
            loss = cross_entropy(params, x, labels)
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                descend(params, grads, rate)
            yield values, loss.detach()

    def predictions(self) -> Iterator[Any]:
        params, x, predicted = self.params, self.x, self.predict
        with torch.inference_mode():
            while True:
                yield predicted(params, x)

    def ready(self, last: Any) -> object:
        return torch.cuda.synchronize() if self.device == "cuda" else None

    def array(self, value: Any) -> NDArray[Any]:
        array: NDArray[Any] = value.to("cpu", torch.float64).numpy()
        return array


class OursInTorch(Torch):
    """chainrule's step on these tensors."""

    def steps(self) -> Iterator[Any]:
        ours: Any = import_module("speed.contenders.ours")  # not at the top: torch alone is to be measured alone
        step, held = ours.on(self.params, self.problem.rate)
        x, labels = self.x, self.labels
        while True:
            held, loss = step(held, x, labels)
            first, _, second = held[0]
            yield (first.W, first.b, second.W, second.b), loss


class Compiled(Torch):
    """Loss, gradient and update as one function in `torch.compile`, for this size alone."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch.compiler.reset()
        self.predict = torch.compile(predict, dynamic=False)

    def steps(self) -> Iterator[Any]:
        def step(params: Any, x: Any, labels: Any) -> Any:
            grads, loss = torch.func.grad_and_value(cross_entropy)(params, x, labels)
            descend(params, grads, rate)
            return loss

        params, x, labels, rate = self.params, self.x, self.labels, self.problem.rate
        compiled = torch.compile(step, dynamic=False)
        while True:
            yield params, compiled(params, x, labels)
