"""The growing batch: what policies sampled, what scorers said of it, and views of it to train on.

A package of seq2seq-env.

A buffer is a folder of immutable HDF5 files, one for each unit of Grow work, named ``g{grow_step}-s{shard_index}.h5``,
or, after compaction, one for several units, ``g{grow_step}-s{first}-{last}.h5``.
With N trajectories, L target tokens, U sources and K source tokens a file holds, in order:

1. A header of 512 bytes (HDF5's user block), text: ``seq2seq-env shard``, ``bytes`` (size of the file), ``sha256`` (of
   all bytes after the header).
2. Attributes of the root: ``schema_version`` (int64, 7), the fields of :class:`Provenance` (UTF-8 text of fixed length,
   int64, float64) and ``contents_sha256`` (text), the digest of these attributes and of the arrays' values.
3. Datasets at the root, one-dimensional, in which a row is one of the task's train split or, from the number of these
   on, one of its source-only split:

| name             | dtype   | shape | meaning                                                            |
|------------------|---------|-------|--------------------------------------------------------------------|
| `source_index`   | int64   | [N]   | row of the source                                                  |
| `offsets`        | int64   | [N+1] | trajectory i is `tokens[offsets[i]:offsets[i+1]]`                  |
| `tokens`         | uint16  | [L]   | no start token, end-of-sequence included where terminated          |
| `log_prob`       | float32 | [L]   | nats, under the behaviour policy at the sampling temperature       |
| `terminated`     | bool    | [N]   | False where the length limit cut the target                        |
| `reward`         | float32 | [N]   | the scorer's value of the whole target, in [0, 1]                  |
| `is_reference`   | bool    | [N]   | True for the original pairs                                        |
| `source_rows`    | int64   | [U]   | rows of the sources, rising, each once                             |
| `source_offsets` | int64   | [U+1] | source j is `source_tokens[source_offsets[j]:source_offsets[j+1]]` |
| `source_tokens`  | uint16  | [K]   | token ids, end-of-sequence included                                |

The ``log_prob`` of an imported target is NaN throughout where nobody recorded it, and so is the temperature.

They are compressed by gzip 4 with byte shuffle in chunks of at most 65,536 elements. Only ``tokens`` lie plain and
contiguous, with an attribute ``sum64`` (uint64, the sum of their bytes as little-endian uint64). Where a token id is
above 65,535, the ids of that array are int32, and compressed.

The tokenizer that the ids are of lies beside, in the folder that ``tokenizer_folder`` names:
``transformers.AutoTokenizer`` reads it where a pretrained model brought it, ``tokenizers.Tokenizer.from_file`` its
``tokenizer.json`` in any case but that of SentencePiece files.

The same Grow step gives the same bytes wherever it runs, for one version of HDF5 and zlib.

Other scorers' rewards lie beside, in ``scores/{name}/`` (:mod:`buffers.storage.reward_columns`); corrupt files that
were moved out of the way in ``quarantine/``.

**Kills.** A file is written to a temporary one and renamed, and so is the tokenizer's folder. Whoever is killed while
writing leaves a hidden ``.{name}.….partial``; it goes when the same is made again, or by ``python -m buffers repair``,
never while its writer lives.

**Checksums.** A file whose header records its size is as it was written, or corrupt: ``verify`` compares every byte,
reading the checks of HDF5's metadata, of gzip and of ``sum64``. A file of another size, or without the header, is one
that another program rewrote (``h5repack``, h5py; any chunks, and gzip, LZF, szip, shuffle, Fletcher-32 or no filter),
or corrupt: it is read whole when opened, and its values must have their ``contents_sha256``.

**Files from elsewhere.** A file is data, never code, and it is read by HDF5's library after a check of names, types,
shapes, layouts, filters and sizes: links and other files are not followed, only built-in filters are read, arrays have
at most 16 MiB and 100 times the file, pipes and devices are refused. Whatever is wrong ends in a :class:`ShardError`
that names the file. As HDF5 itself may crash, loop or allocate without end on metadata made for that,
``python -m buffers verify --untrusted`` and ``GrowingBatchBuffer(..., untrusted=True)`` first read each file in a child
process with limits of memory and time (:mod:`buffers.storage.sandbox` says what that guarantees). ``verify`` finds
accidents; it cannot know who made a file.

**Versions.** A release reads the schema version that it writes, and refuses others.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
