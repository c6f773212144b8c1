"""The laws of combinators, of shared parameters, and of a network with its loss."""
