"""Generation of whole hypotheses: greedy, by beam search, or drawn with a random stream of each trajectory's own.

Shape letters: B sources, C candidates of each, R rows being written, K states of the decoder, T target length,
L tokens in all, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.policy.decoders import Decoder
from agents.policy.dropout import dropout_off
from agents.policy.inputs import check_seed
from buffers import Samples
from seq2seq_env.models.decoder_only import forward_arguments, is_decoder_only
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Rows decoded together. On a CPU more rows fall out of the cache; a GPU is idle with fewer.
ROWS = {"cpu": 512, "cuda": 4096}

# Logits of a step up to which a CPU's rows are twice as many: a small vocabulary's products are thin otherwise.
FEW_LOGITS = 2**22

# States whose rows have ended are dropped once this share has: dropping copies the others' keys and values.
DROP_SHARE = 0.25

# The largest float32 below 1 whose product with a sum in float32 stays below that sum.
BELOW_ONE = 1.0 - 2.0**-22


@dataclass(frozen=True)
class Decoded:
    """What was written for R rows.

    Attributes:
        tokens: int64 [R,T], end-of-sequence after the end.
        log_prob: float32 [R,T] of each token under the distribution it was drawn from, 0 after the end; None if greedy.
        lengths: int64 [R], end-of-sequence included.
    """

    tokens: Tensor
    log_prob: Tensor | None
    lengths: Tensor


def random_stream(seed: int, source_index: int) -> np.random.Generator:
    """The random numbers of one source sentence, batch-invariant.

    Philox is counter-based: ``(seed, source_index)`` is its key, so no two sources share a stream.

    Raises:
        ValueError: If the seed does not fit 64 bits.
    """
    check_seed(seed)
    return np.random.Generator(np.random.Philox(key=np.array([seed, source_index], dtype=np.uint64)))


def uniforms(seed: int, source_index: int, num_candidates: int, max_length: int) -> NDArray[np.float64]:
    """The numbers in [0, 1) that decide every token of a source's candidates, [N,T].

    Candidate ``n`` gets the same row whatever the number of candidates.
    """
    return random_stream(seed, source_index).random((num_candidates, max_length))


def uniform_rows(seed: int, sources: Sequence[int], num_candidates: int, max_length: int) -> Tensor:
    """The numbers of several sources, float32 [B*N,T]."""
    rows = np.concatenate([uniforms(seed, source, num_candidates, max_length) for source in sources])
    return torch.from_numpy(rows).float()


def draw(scores: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draw C tokens from each row's ``softmax(scores)`` by inverting the cumulative distribution.

    Args:
        scores: float32 [K,V], ``-inf`` at tokens that must not be drawn.
        uniform: float32 [K,C] in [0, 1); one number per token, so that nothing else has to be random.

    Returns:
        int64 [K,C] tokens, and float32 [K,C] their log-probabilities.

    Raises:
        FloatingPointError: If a row has no distribution, because the scores hold NaN or nothing finite.
    """
    probabilities = torch.softmax(scores, dim=-1)
    cumulative = probabilities.cumsum(-1)
    total = cumulative[:, -1:]
    if not bool(torch.isfinite(total).all()):
        raise FloatingPointError("the policy's logits are not finite; load an earlier checkpoint")
    # The sum may be a little below 1; scaling the number by it keeps the last token's share.
    # right=True: the first token whose cumulative probability lies above, which therefore has a probability above 0.
    tokens = torch.searchsorted(cumulative, uniform.clamp(max=BELOW_ONE) * total, right=True)
    return tokens, probabilities.gather(1, tokens).log()


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Dropout off and no gradient, and the model's mode as it was afterwards."""
    with dropout_off(model), torch.inference_mode():
        yield


def most_sources(rows_each: int, device: torch.device, vocab_size: int) -> int:
    """How many sources are written together, of so many rows each."""
    rows = ROWS.get(device.type, ROWS["cpu"])
    if device.type == "cpu" and 2 * rows * vocab_size <= FEW_LOGITS:
        rows *= 2
    return max(1, rows // rows_each)


def rows_together(
    sources: Sequence[Sequence[int]], rows_each: int, device: torch.device, vocab_size: int
) -> Iterator[list[int]]:
    """Sources to write together, by length bucketing; a source's ``rows_each`` rows are never apart."""
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    step = most_sources(rows_each, device, vocab_size)
    for start in range(0, len(order), step):
        yield order[start : start + step]


def decode(
    decoder: Decoder,
    logit_mask: Tensor,
    *,
    num_sources: int,
    start_id: int,
    eos_id: int,
    max_length: int,
    temperature: float = 1.0,
    uniform: Tensor | None = None,
    prefixes: Sequence[Sequence[int]] | None = None,
) -> Decoded:
    """Write every row to its end-of-sequence or to ``max_length`` tokens.

    Rows of one source that have written the same so far are one state of the decoder: a state is computed once however
    many rows are in it, and splits where they draw different tokens.

    Args:
        decoder: Open on ``num_sources`` rows, one a source, with nothing written.
        logit_mask: float32 [V], 0 at tokens that may be written and ``-inf`` elsewhere.
        num_sources: B; R is a multiple of it, and a source's rows stand together.
        start_id: Token that the decoder is given first.
        eos_id: Token that ends a row.
        max_length: T.
        temperature: Divides the logits.
        uniform: float32 [R,T] that decide the tokens; None writes the likeliest token each time, R being B.
        prefixes: Tokens that the rows of each source begin with, without end-of-sequence; their log-probability is 0.
    """
    device = logit_mask.device
    forced = _forced(prefixes or [()] * num_sources, device)  # [B,P]
    copies = 1 if uniform is None else len(uniform) // num_sources
    num_rows = num_sources * copies
    tokens = torch.full((num_rows, max_length), eos_id, device=device)
    log_prob = None if uniform is None else torch.zeros(num_rows, max_length, device=device)
    lengths = torch.full((num_rows,), max_length, device=device)
    rows = torch.arange(num_rows, device=device)  # those that go on
    state = rows // copies  # the decoder's, of each of them
    current = torch.full((num_sources,), start_id, device=device)
    for position in range(max_length):
        scores = torch.add(logit_mask, decoder.step(current), alpha=1 / temperature)
        given = forced[rows // copies, position] if position < forced.shape[1] else None
        if given is not None and bool((given >= 0).all()):
            chosen = given
        elif uniform is None or log_prob is None:
            chosen = scores.argmax(-1)[state]
        else:
            # By state and candidate, so that a candidate's draw is the same whichever state it has come to be in.
            numbers = uniform.new_zeros(len(scores), copies)
            numbers[state, rows % copies] = uniform[rows, position]
            drawn, log_probs = draw(scores, numbers)
            chosen = drawn[state, rows % copies]
            log_prob[rows, position] = log_probs[state, rows % copies]
        if given is not None:
            chosen = torch.where(given >= 0, given, chosen)
            if log_prob is not None:
                log_prob[rows[given >= 0], position] = 0.0
        tokens[rows, position] = chosen
        ends = chosen == eos_id
        lengths[rows[ends]] = position + 1
        rows, state, chosen = rows[~ends], state[~ends], chosen[~ends]
        if not len(rows):
            break
        # One number for each pair of a state and its next token: equal pairs are one state from here on.
        written, row_state = torch.unique(state * len(logit_mask) + chosen, return_inverse=True)
        before, last = written // len(logit_mask), written % len(logit_mask)
        splits = bool((before[1:] == before[:-1]).any())
        # Copying keys and values costs more than a few rows too many, so ended ones stay until it is worth it.
        if splits or len(written) <= (1 - DROP_SHARE) * len(current):
            decoder.keep(before)
            state, current = row_state, last
        else:
            current = current.index_copy(0, before, last)
    return Decoded(tokens, log_prob, lengths)


def _forced(prefixes: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """int64 [B,P], the tokens of each prefix, and -1 after them."""
    longest = max(map(len, prefixes), default=0)
    rows = [[*prefix, *[-1] * (longest - len(prefix))] for prefix in prefixes]
    return torch.tensor(rows, dtype=torch.int64, device=device).reshape(len(prefixes), longest)


def as_samples(
    tokenizer: Tokenizer, tokens: NDArray[np.int32], log_prob: NDArray[np.float32], lengths: NDArray[np.int64]
) -> Samples:
    """What a sampler gives back, from what it drew.

    Args:
        tokenizer: Decodes the tokens.
        tokens: int32 [L], a source's candidates together, in the order of the sources.
        log_prob: float32 [L].
        lengths: int64 [B,C], of each trajectory, end-of-sequence included.
    """
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()])
    rows = [(*tokens[low:high].tolist(),) for low, high in pairwise(offsets)]
    distinct = dict.fromkeys(rows)  # a good policy's candidates are the same few
    text_of = dict(zip(distinct, tokenizer.decode(distinct), strict=True))
    return Samples(
        source_index=np.repeat(np.arange(lengths.shape[0], dtype=np.int64), lengths.shape[1]),
        offsets=offsets,
        tokens=tokens,
        log_prob=log_prob,
        terminated=tokens[offsets[1:] - 1] == tokenizer.eos_id,  # else the length limit cut it
        texts=[text_of[row] for row in rows],
    )


def beam_search(
    model: PreTrainedModel,
    source: Tensor,
    source_mask: Tensor,
    num_beams: int,
    max_length: int,
    suppressed: list[int],
    start: Sequence[int],
    prefix: Sequence[int],
) -> Tensor:
    """The hypothesis of the highest length-normalised probability that beam search finds for each source.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model.
        source: int64 [R,S].
        source_mask: bool [R,S].
        num_beams: Hypotheses held at once for each source.
        max_length: T.
        suppressed: Tokens never to write after the first ones.
        start: Decoder start.
        prefix: Tokens that every hypothesis begins with.

    Returns:
        int64 [R,T] without ``start``, end-of-sequence and padding after the end.
    """
    begun = torch.tensor([[*start, *prefix]], device=source.device).expand(len(source), -1)
    arguments = forward_arguments(model.config, source, source_mask, begun)
    arguments.pop("position_ids", None)  # it counts them itself
    generator: Any = model
    hypotheses: Tensor = generator.generate(
        **arguments,
        num_beams=num_beams,
        do_sample=False,
        decoder_start_token_id=start[0],  # else the library would put the configuration's before
        max_new_tokens=max_length - len(prefix),
        suppress_tokens=suppressed,
    )
    row = arguments["input_ids"] if is_decoder_only(model.config) else begun
    return hypotheses[:, row.shape[1] - len(prefix) :]
