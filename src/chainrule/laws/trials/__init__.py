"""A layer is run at a point, and its derivative there is measured: what the laws have in common."""
