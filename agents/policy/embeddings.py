"""Token embeddings that know which words go together before any training: latent semantic indexing of the pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from agents.policy.seq2seq_policy import Seq2SeqPolicy


def cross_lingual_embeddings(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, vocab_size: int, width: int, seed: int
) -> Tensor:
    """Embeddings in which tokens of the two languages lie close when they occur in the same pairs.

    Each pair is one document of both languages; the embeddings are the right singular vectors of the document-token
    matrix, tokens weighted by one over the root of their frequency, each scaled to length 1 (cross-language latent
    semantic indexing, Dumais et al. 1997). A translation and its word start as neighbours, so that attention can find
    them at once; small models then learn to translate from a fraction of the tokens.

    Args:
        sources: Token ids of N sources.
        targets: Token ids of their N targets.
        vocab_size: V.
        width: Features, below both N and V.
        seed: Of the random projection (Halko et al. 2011); the same seed gives the same embeddings.

    Returns:
        float32 [V, width]; tokens that never occur are 0.

    Raises:
        ValueError: If the sides differ in length, or there are not more pairs and tokens than features.
    """
    if len(sources) != len(targets):
        raise ValueError(f"{len(sources)} sources and {len(targets)} targets; give aligned pairs")
    if not width < min(len(sources), vocab_size):
        raise ValueError(f"{len(sources)} pairs of {vocab_size} tokens cannot give {width} features; give more pairs")
    documents = [np.unique([*source, *target]) for source, target in zip(sources, targets, strict=True)]
    columns = np.concatenate(documents)
    rows = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    frequency = np.bincount(columns, minlength=vocab_size)
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows, columns])),
        torch.from_numpy(1 / np.sqrt(frequency[columns])),
        (len(documents), vocab_size),
        check_invariants=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _, _, vectors = torch.svd_lowrank(matrix, q=min(width + 20, *matrix.shape), niter=4)  # [V,q]
    # Tokens that never occur are rounding errors before they are scaled.
    known = torch.from_numpy(frequency > 0)[:, None]
    return torch.where(known, torch.nn.functional.normalize(vectors[:, :width]), 0.0).float()


def initialise(embedding: nn.Embedding, values: Tensor) -> None:
    """Copy embeddings into a network's table where they are known; rows that are all 0 keep what is there."""
    known = values.abs().sum(-1) > 0
    with torch.no_grad():
        embedding.weight[: len(values)][known.to(embedding.weight.device)] = values[known].to(embedding.weight)


def align_embeddings(policy: Seq2SeqPolicy, sources: Sequence[str], references: Sequence[str], *, seed: int) -> None:
    """Give a fresh policy :func:`cross_lingual_embeddings` of its training pairs.

    Raises:
        ValueError: If the texts are not aligned or too few.
    """
    embedding = policy.model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    tokenizer = policy.tokenizer
    values = cross_lingual_embeddings(
        *([row[:-1] for row in rows] for rows in (tokenizer.encode(sources), tokenizer.encode_targets(references))),
        vocab_size=tokenizer.vocab_size, width=embedding.embedding_dim, seed=seed,
    )  # fmt: skip
    initialise(embedding, values)
