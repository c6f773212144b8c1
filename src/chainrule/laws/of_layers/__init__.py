"""The laws of layers and encoders."""
