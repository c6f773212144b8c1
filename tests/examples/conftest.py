"""The examples with other libraries are tested where the libraries are (`pip install 'chainrule[oracles]'`)."""

from importlib.util import find_spec

collect_ignore = [
    f"test_data_parallel_{name}.py"
    for name, needs in {"dask": "distributed", "jax": "jax"}.items()
    if find_spec(needs) is None
]
