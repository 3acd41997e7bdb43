"""Scorer network and its training: masked translations, then synthetic corruptions, then regression on ratings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import BertConfig, BertForSequenceClassification

from agents.policy.embeddings import initialise
from experiments.scorer_training.oracle_config import NetworkConfig
from seq2seq_env.progress import progress_bar
from seq2seq_env.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Example:
    """A pair as token ids, with what the network should say of it.

    Attributes:
        source: Source tokens without end-of-sequence.
        hypothesis: Hypothesis tokens without end-of-sequence.
        score: Quality in [0, 1]; None where the example is about masked tokens.
        tags: For each hypothesis token and the end-of-sequence after it, whether it is wrong or something is missing
            before it; empty where that is not known.
        masked: For each hypothesis token the token that was masked there, or -1; empty where nothing was.
    """

    source: Sequence[int]
    hypothesis: Sequence[int]
    score: float | None = None
    tags: Sequence[bool] = ()
    masked: Sequence[int] = ()


class ScorerNetwork(nn.Module):
    """BERT with one output, and two heads for pre-training: one tags wrong tokens, one guesses masked ones."""

    def __init__(self, tokenizer: Tokenizer, config: NetworkConfig) -> None:
        super().__init__()
        head: dict[str, Any] = {"num_labels": 1, "problem_type": "regression", "attn_implementation": "eager"}
        self.model = BertForSequenceClassification(
            BertConfig(
                vocab_size=tokenizer.vocab_size,
                hidden_size=config.width,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.feed_forward,
                hidden_dropout_prob=config.dropout,
                attention_probs_dropout_prob=config.dropout,
                max_position_embeddings=config.max_tokens,
                pad_token_id=tokenizer.pad_id,
                eos_token_id=tokenizer.eos_id,
                **head,
            )
        )
        self.tags = nn.Linear(config.width, 1)
        self.guess = nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), nn.LayerNorm(config.width))
        self.pad_id, self.eos_id = tokenizer.pad_id, tokenizer.eos_id

    def start_from(self, embeddings: Tensor) -> None:
        """Token embeddings to start from, [V, width]."""
        initialise(self.model.bert.embeddings.word_embeddings, embeddings)

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Cross-entropy of the masked tokens, or of the scores and, where there are any, of the tags."""
        tokens, segments, mask, labels, known = self._padded(examples)
        states = self.model.bert(tokens, attention_mask=mask, token_type_ids=segments)
        hidden = states.last_hidden_state  # [B, L, width]
        if examples[0].masked:
            return cross_entropy(self._guesses(hidden[known]), labels[known])
        logits = self.model.classifier(states.pooler_output).squeeze(-1)  # [B]
        scores = torch.tensor([example.score for example in examples], dtype=torch.float32)
        loss = binary_cross_entropy_with_logits(logits, scores)
        if known.any():
            loss = loss + binary_cross_entropy_with_logits(self.tags(hidden[known]).squeeze(-1), labels[known].float())
        return loss

    def guesses(self, examples: Sequence[Example]) -> Tensor:
        """Logits of the masked tokens of all examples in order, [places, V]."""
        tokens, segments, mask, _, known = self._padded(examples)
        states = self.model.bert(tokens, attention_mask=mask, token_type_ids=segments)
        return self._guesses(states.last_hidden_state[known])

    def _guesses(self, hidden: Tensor) -> Tensor:
        guesses: Tensor = self.guess(hidden) @ self.model.bert.embeddings.word_embeddings.weight.T
        return guesses

    def _padded(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Tokens, segments, attention mask, labels (tags or masked tokens) and where those are known, each [B, L]."""
        rows = [[self.eos_id, *e.source, self.eos_id, *e.hypothesis, self.eos_id] for e in examples]
        size = (len(rows), max(map(len, rows)))
        tokens, segments, mask = (np.full(size, fill) for fill in (self.pad_id, 0, 0))
        labels = np.full(
            size, -1
        )  # -1 where there is nothing to learn: padding, the source, tokens that were not masked
        for row, (ids, example) in enumerate(zip(rows, examples, strict=True)):
            start, end = len(example.source) + 2, len(ids)
            tokens[row, :end], mask[row, :end], segments[row, start:end] = ids, 1, 1
            label = example.masked or example.tags
            labels[row, start : start + len(label)] = label
        tokens_, segments_, mask_, labels_ = map(torch.from_numpy, (tokens, segments, mask, labels))
        return tokens_, segments_, mask_, labels_, labels_ >= 0


SOURCELESS = 0.15
"""Share of the masked examples without their source, so that the network can also say what merely reads well."""


def mask(random: Random, source: list[int], target: list[int], mask_id: int) -> Example:
    """A target with a share of its tokens, from a fifth to nearly all, replaced by ``mask_id``."""
    share = random.uniform(0.2, 0.9)
    source = [] if random.random() < SOURCELESS else source
    hidden = [random.random() < share for _ in target]
    hidden[random.randrange(len(target))] = True
    return Example(
        source,
        [mask_id if hide else token for token, hide in zip(target, hidden, strict=True)],
        masked=[token if hide else -1 for token, hide in zip(target, hidden, strict=True)],
    )


@torch.no_grad()
def plausible_tokens(
    network: ScorerNetwork, targets: Sequence[list[int]], mask_id: int, random: Random
) -> list[dict[int, int]]:
    """For a quarter of each target's places, another token that reads well there.

    The network draws it without the source, as the generator of ELECTRA does (Clark et al. 2020): a wrong number or
    noun in a fluent sentence, which is how a policy errs.

    Args:
        network: Trained on masked targets.
        targets: Target tokens without end-of-sequence.
        mask_id: Stands for a masked token.
        random: Draws places and tokens.
    """
    hidden = [[random.random() < 0.25 for _ in target] for target in targets]
    examples = [
        Example(
            [],
            [mask_id if hide else token for token, hide in zip(target, hides, strict=True)],
            masked=[token if hide else -1 for token, hide in zip(target, hides, strict=True)],
        )
        for target, hides in zip(targets, hidden, strict=True)
    ]
    generator = torch.Generator().manual_seed(random.getrandbits(63))
    plausible: list[dict[int, int]] = [{} for _ in targets]
    network.eval()
    order = sorted(range(len(targets)), key=lambda row: len(targets[row]))
    for start in progress_bar(range(0, len(order), 256), desc="drawing plausible tokens", unit="batch"):
        rows = order[start : start + 256]
        places = [(row, place) for row in rows for place, hide in enumerate(hidden[row]) if hide]
        if not places:
            continue
        logits = network.guesses([examples[row] for row in rows])  # [places, V]
        logits[torch.arange(len(places)), [targets[row][place] for row, place in places]] = -torch.inf
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1).tolist()
        for (row, place), token in zip(places, drawn, strict=True):
            plausible[row][place] = token
    return plausible


def corrupt(
    random: Random, source: list[int], target: list[int], other: list[int], plausible: Mapping[int, int]
) -> Example:
    """A target with up to four random edits of its tokens, tagged and scored by how much of it is left.

    Args:
        random: Draws the edits.
        source: Source tokens without end-of-sequence.
        target: Target tokens without end-of-sequence.
        other: Another sentence's target, which inserted tokens come from.
        plausible: Places of the target and wrong tokens that read well there; in half of the examples with edits
            some of them are taken.
    """
    tokens, wrong = list(target), [False] * (len(target) + 1)
    kept = len(target)
    edits = random.choice((0, 0, 1, 1, 1, 2, 2, 3, 4))
    if random.random() < 0.04:
        tokens, wrong, kept = list(other), [True] * (len(other) + 1), 0
    elif random.random() < 0.5:
        fluent = random.sample(sorted(plausible.items()), min(edits, len(plausible)))
        for place, token in fluent:
            _replace(tokens, wrong, place, 1, [token])
        edits = max(0, edits - len(fluent) - 1)
    for _ in range(edits):
        if len(tokens) < 2:
            break
        at = random.randrange(len(tokens))
        length = min(random.choice((1, 1, 1, 2, 2, 3)), len(tokens) - at)
        kind = random.random()
        if kind < 0.45:
            _replace(tokens, wrong, at, 1, [random.choice(other)])
        elif kind < 0.65:
            _replace(tokens, wrong, at, length, [])
        elif kind < 0.75:
            _replace(tokens, wrong, at, 0, [random.choice(other)])
        elif kind < 0.87:
            start = random.randrange(len(tokens))
            _replace(tokens, wrong, at, 0, tokens[start : start + length + 1])
        elif kind < 0.94:
            start = random.randrange(len(source))
            _replace(tokens, wrong, at, 1, source[start : start + length])
        else:
            moved = tokens[at : at + length]
            _replace(tokens, wrong, at, length, [])
            _replace(tokens, wrong, random.randrange(len(tokens) + 1), 0, moved)
    if tokens == target:
        # The edits undid each other.
        return Example(source, tokens, 1.0, [False] * len(wrong))
    kept = min(kept, sum(not flag for flag in wrong[:-1]))
    # Right tokens less wrong ones, over the target's: what is put in costs as much as what is left out.
    score = max(0.0, (2 * kept - len(tokens)) / len(target))
    return Example(source, tokens, score, wrong)


def _replace(tokens: list[int], wrong: list[bool], at: int, length: int, new: list[int]) -> None:
    if tokens[at : at + length] == new:
        return
    tokens[at : at + length] = new
    wrong[at : at + length] = [True] * len(new)
    if not new:
        wrong[at] = True


def batches(examples: Sequence[Example], size: int, random: Random) -> Iterator[list[Example]]:
    """Shuffled batches of examples of similar length."""
    order = list(range(len(examples)))
    random.shuffle(order)
    pool = size * 50
    for start in range(0, len(order), pool):
        rows = sorted(order[start : start + pool], key=lambda row: len(examples[row].hypothesis))
        chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
        random.shuffle(chunks)
        for chunk in chunks:
            yield [examples[row] for row in chunk]


def train(
    network: ScorerNetwork,
    epochs: Sequence[Sequence[Example]],
    *,
    learning_rate: float,
    batch_size: int,
    seed: int,
    name: str,
) -> NDArray[np.float64]:
    """Train over ``epochs`` with AdamW, a short warm-up and a cosine to zero; returns the loss of each update."""
    random = Random(seed)
    total = sum(math.ceil(len(epoch) / batch_size) for epoch in epochs)
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    warmup = max(1, min(500, total // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * step / max(1, total)))
    )
    network.train()
    losses = []
    with progress_bar(total=total, desc=name, unit="update") as bar:
        for epoch in epochs:
            for batch in batches(epoch, batch_size, random):
                loss = network.loss(batch)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
                bar.update()
                if len(losses) % 50 == 0:
                    bar.set_postfix(loss=f"{np.mean(losses[-200:]):.3f}")
    network.eval()
    return np.array(losses)
