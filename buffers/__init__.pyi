from .batches import Batches, TokenBatch
from .columns import Columns
from .compaction import compact
from .container import ShardError
from .coverage import Coverage, coverage
from .filters import Filter, Interpolation, Percentile, Schedule, Threshold, make_filter, make_schedule
from .forecast import Forecast
from .grow import GrowPlan, GrowReport, Sampler, grow
from .growing_batch import GrowingBatchBuffer
from .interop import (
    d3rlpy_module,
    from_d3rlpy,
    from_datasets,
    from_jsonl,
    from_minari,
    from_parquet,
    to_d3rlpy,
    to_datasets,
    to_jsonl,
    to_minari,
    to_parquet,
)
from .provenance import Provenance
from .scores import RescoredShard
from .scoring import rescore
from .shard import Shard, write_shard
from .slices import Slice
from .trajectories import Samples, Trajectories
from .workers import ByRank, InThreads, OnRay, Workers

__all__ = [
    "Batches",
    "ByRank",
    "Columns",
    "Coverage",
    "Filter",
    "Forecast",
    "GrowPlan",
    "GrowReport",
    "GrowingBatchBuffer",
    "InThreads",
    "Interpolation",
    "OnRay",
    "Percentile",
    "Provenance",
    "RescoredShard",
    "Sampler",
    "Samples",
    "Schedule",
    "Shard",
    "ShardError",
    "Slice",
    "Threshold",
    "TokenBatch",
    "Trajectories",
    "Workers",
    "compact",
    "coverage",
    "d3rlpy_module",
    "from_d3rlpy",
    "from_datasets",
    "from_jsonl",
    "from_minari",
    "from_parquet",
    "grow",
    "make_filter",
    "make_schedule",
    "rescore",
    "to_d3rlpy",
    "to_datasets",
    "to_jsonl",
    "to_minari",
    "to_parquet",
    "write_shard",
]
