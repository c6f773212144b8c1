"""The laws of layers and encoders. Each takes one, parameters, an input and a Generator, and gives verdicts by field.

A backward pass is the transpose of a derivative: it has that derivative's values and is linear. It fits into a network
if its results have the structure and the dtype of its arguments. It can be trusted in one if it is pure and treats each
row alone.
"""
