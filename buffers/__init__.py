"""The growing batch: what policies sampled, what scorers said of it, and views of it to train on.

A package of seq2seq-env.

A buffer is a folder of immutable HDF5 files, one for each unit of Grow work, named ``g{grow_step}-s{shard_index}.h5``,
or, after compaction, one for several units, ``g{grow_step}-s{first}-{last}.h5``.
With N trajectories, L target tokens, U sources and K source tokens a file holds, in order:

1. A header of 512 bytes (HDF5's user block), text: ``seq2seq-env shard``, ``bytes`` (size of the file), ``sha256`` (of
   all bytes after the header).
2. Attributes of the root: ``schema_version`` (int64, 3) and the fields of :class:`Provenance` (UTF-8 text of fixed
   length, int64, float64).
3. Datasets at the root, one-dimensional:

| name             | dtype   | shape | meaning                                                            |
|------------------|---------|-------|--------------------------------------------------------------------|
| `source_index`   | int64   | [N]   | row of the task's train split                                      |
| `offsets`        | int64   | [N+1] | trajectory i is `tokens[offsets[i]:offsets[i+1]]`                  |
| `tokens`         | uint16  | [L]   | no start token, end-of-sequence included where terminated          |
| `log_prob`       | float32 | [L]   | nats, under the behaviour policy at the sampling temperature       |
| `terminated`     | bool    | [N]   | False where the length limit cut the target                        |
| `reward`         | float32 | [N]   | the scorer's value of the whole target, in [0, 1]                  |
| `is_reference`   | bool    | [N]   | True for the original pairs                                        |
| `source_rows`    | int64   | [U]   | rows of the train split, rising, each once                         |
| `source_offsets` | int64   | [U+1] | source j is `source_tokens[source_offsets[j]:source_offsets[j+1]]` |
| `source_tokens`  | uint16  | [K]   | token ids, end-of-sequence included                                |

They are compressed by gzip 4 with byte shuffle in chunks of at most 65,536 elements. Only ``tokens`` lie plain and
contiguous, with an attribute ``sum64`` (uint64, the sum of their bytes as little-endian uint64). Where a token id is
above 65,535, the ids of that array are int32, and compressed.

The same Grow step gives the same bytes wherever it runs, for one version of HDF5 and zlib.

Other scorers' rewards lie beside, in ``scores/{name}/`` (:mod:`buffers.storage.scores`); damaged files that were set
aside in ``damaged/``.

**Kills.** A file is there whole or not at all. Whoever is killed while writing leaves a hidden ``.{file}.….partial``;
it goes when the same file is made again, or by ``python -m buffers repair``, never while its writer lives.

**Files from elsewhere.** A file is data, never code. It is read by this package and not by HDF5's library, whose
metadata can make it allocate, loop, open other files or load filters: only what a shard holds is understood, every
address must lie within the file, every length is bounded (of arrays to 16 MiB and 100 times the file), pipes and
devices are refused. Whatever is wrong ends in a :class:`ShardError` that names the file. ``verify`` finds accidents; it
cannot know who made a file.

**Versions.** A later schema version may add attributes and datasets, which older releases refuse by their version, and
may store a dataset in another way; it gives no name another meaning. A release reads all versions before its own:
versions 1 and 2 lack ``references``, which is then 1; version 1 also lacks ``shard_count``, which is then 1, and its
token ids are int32 and compressed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
