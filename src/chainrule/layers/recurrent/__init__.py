"""Layers that read a sequence step by step, and the step that answers."""
