"""The laws of optimizers."""
