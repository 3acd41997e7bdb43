from .admin.compaction import compact
from .admin.importing import Imported, import_rollouts
from .admin.rescoring import rescore
from .batches import Batches, TokenBatch
from .candidate_utility import candidate_utilities
from .coverage import Coverage, coverage
from .filters import Best, Filter, Interpolation, Percentile, Schedule, Threshold, at_most, make_filter, make_schedule
from .growing.grow import GrowReport, grow
from .growing.plan import GrowPlan, Sampler
from .growing.rewriting import PrefixSampler, RewriteReport, rewrite
from .growing.source_rows import drawable_rows, source_texts
from .growing.workers import AsShare, ByRank, InThreads, OnRay, Workers
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
from .slices import Slice
from .storage.container import ShardError
from .storage.provenance import GrowFrom, Provenance
from .storage.reward_columns import RescoredShard
from .storage.shard import Shard, write_shard
from .storage.trajectories import Samples, Trajectories

__all__ = [
    "AsShare",
    "Batches",
    "Best",
    "ByRank",
    "Coverage",
    "Filter",
    "GrowFrom",
    "GrowPlan",
    "GrowReport",
    "GrowingBatchBuffer",
    "Imported",
    "InThreads",
    "Interpolation",
    "OnRay",
    "Percentile",
    "PrefixSampler",
    "Provenance",
    "RescoredShard",
    "RewriteReport",
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
    "at_most",
    "candidate_utilities",
    "compact",
    "coverage",
    "d3rlpy_module",
    "drawable_rows",
    "from_d3rlpy",
    "from_datasets",
    "from_jsonl",
    "from_minari",
    "from_parquet",
    "grow",
    "import_rollouts",
    "make_filter",
    "make_schedule",
    "rescore",
    "rewrite",
    "source_texts",
    "to_d3rlpy",
    "to_datasets",
    "to_jsonl",
    "to_minari",
    "to_parquet",
    "write_shard",
]
