from .d3rlpy import d3rlpy_module, from_d3rlpy, to_d3rlpy
from .datasets import from_datasets, to_datasets
from .json_lines import from_jsonl, to_jsonl
from .minari import from_minari, to_minari
from .parquet import from_parquet, to_parquet

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
