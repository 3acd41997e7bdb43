"""A slice of the buffer in other libraries' formats, and theirs as trajectories.

What each format cannot hold stands with the function that writes it. minari, datasets and pyarrow come with
``pip install "seq2seq-env[interop]"`` and are imported when a function needs them.
"""

from buffers.interop.d3rlpy import d3rlpy_module, from_d3rlpy, to_d3rlpy
from buffers.interop.datasets import from_datasets, to_datasets
from buffers.interop.json_lines import from_jsonl, to_jsonl
from buffers.interop.minari import from_minari, to_minari
from buffers.interop.parquet import from_parquet, to_parquet

__all__ = [
    "d3rlpy_module",
    "from_d3rlpy",
    "from_datasets",
    "from_jsonl",
    "from_minari",
    "from_parquet",
    "to_d3rlpy",
    "to_datasets",
    "to_jsonl",
    "to_minari",
    "to_parquet",
]
