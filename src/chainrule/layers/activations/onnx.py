"""Activations that are more than one operator in ONNX."""

from chainrule.rules import OnnxGraph, Unit


def silu(graph: OnnxGraph, params: Unit, x: str) -> str:
    """`x s(x)`."""
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def log_sigmoid(graph: OnnxGraph, params: Unit, x: str) -> str:
    """`-log(1 + exp(-x))`."""
    return graph.node("Neg", graph.node("Softplus", graph.node("Neg", x)))


def celu(alpha: float, graph: OnnxGraph, params: Unit, x: str) -> str:
    """`alpha elu(x / alpha)`: its own operator has no float64."""
    return graph.node("Mul", graph.node("Elu", graph.node("Div", x, alpha)), alpha)
