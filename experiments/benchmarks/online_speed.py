"""Samples per second of PPO's loop beside one written on ``generate``, as TRL's is.

Both draw the same number of samples of the same sources from one policy, score them by the same scorer, and go through
them for as many epochs, with three networks of one size: policy, supervised prior, and value. The baseline writes by
``generate``, a sample a row, scores each of its batches as it comes, computes the log-probabilities of policy and prior
and the values anew before it updates, and updates in minibatches of a fixed number of samples in the order that they
were shuffled in, padded to their longest. Ours are the sampler's own log-probabilities and batches of as many tokens as
the baseline's have on average, padding counted. What sampling and scoring take by themselves stands in rows of its own:
an update costs both loops about the same. Timings are interleaved; the table shows medians, the smallest and the
largest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import agents
from agents import PolicyConfig, RolloutConfig, TrainingConfig
from experiments.benchmarks.timings import (
    TINY_POLICY,
    TINY_TASK,
    TaskBenchmark,
    Timed,
    by_cpu,
    parse_options,
    rates,
    spread,
)
from experiments.reports.tables import table
from seq2seq_env.scorers import Scorer, load_scorer
from seq2seq_env.tasks import load_task

if TYPE_CHECKING:
    from torch import Tensor

    from agents import Seq2SeqPolicy

EPSILON, LAMBDA, BETA = 0.2, 0.95, 0.03
"""Of PPO, as the agent's defaults are."""


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    policy: Path | None = None
    """Folder of a saved policy; None takes an untrained one of --size."""
    size: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the untrained policy; its lengths are the task's."""
    sources: int = 64
    """Sources of a batch of samples."""
    candidates: int = 4
    """Samples of each."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    epochs: int = 4
    """Epochs over a batch of samples."""
    minibatch: int = 32
    """Samples that the baseline writes, and updates on, at once."""
    batches: int = 2
    """Batches of samples of each timing."""
    repeats: int = 3
    """Timings of each loop, at least 1."""
    cpu_time: bool = False
    """Whether seconds are of CPU time of all threads: for one thread on a machine that others keep busy."""
    seed: int = 0
    """Seed of sources, samples, and an untrained policy."""


TINY = {
    "task_options": TINY_TASK, "size": TINY_POLICY, "sources": 4, "candidates": 2, "minibatch": 4, "batches": 1,
    "epochs": 1, "repeats": 1,
}  # fmt: skip


class Samples(NamedTuple):
    """A batch of the baseline: int64 or bool [B,S] of sources, [B,T] of targets, float32 [B] rewards."""

    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    reward: Tensor


class GenerateLoop:
    """The baseline: sampling by ``generate``, and updates on the library's forward pass.

    Args:
        policy: Copied.
        scorer: Rates the samples.
        config: Sizes.
    """

    def __init__(self, policy: Seq2SeqPolicy, scorer: Scorer, config: Config) -> None:
        import torch

        self.policy, self.prior, self.critic = policy.clone(), policy.clone(), policy.clone()
        for each in (self.policy, self.prior, self.critic):
            each.model.train(False)  # as the samples are drawn, so that the ratio is 1 at first
        self.head = torch.nn.Linear(self.critic.model.config.d_model, 1)
        self.scorer, self.config = scorer, config
        weights = [*self.policy.model.parameters(), *self.critic.model.parameters(), *self.head.parameters()]
        self.adam = torch.optim.AdamW([each for each in weights if each.requires_grad], lr=5e-5)

    def train(self, sources: list[str], updates: bool = True) -> None:
        """One batch of samples of the sources, and its epochs."""
        import torch

        texts = [source for source in sources for _ in range(self.config.candidates)]
        size = self.config.minibatch
        written = [self.write(texts[start : start + size]) for start in range(0, len(texts), size)]
        if not updates:
            return
        with torch.no_grad():
            known = [
                (self.log_probs(self.policy, each), self.log_probs(self.prior, each), self.values(each))
                for each in written
            ]
        rows = _rows(written, known)
        for _ in range(self.config.epochs):
            shuffled = torch.randperm(len(rows)).tolist()
            for start in range(0, len(rows), size):
                self.update([rows[row] for row in shuffled[start : start + size]])

    def write(self, texts: list[str]) -> Samples:
        """Samples of one minibatch, scored."""
        import torch

        from seq2seq_env.models.padding import pad

        tokenizer, model = self.policy.tokenizer, self.policy.model
        source, mask = pad(tokenizer.encode(texts), tokenizer.pad_id, self.policy.device)
        generate: Any = model.generate
        with torch.inference_mode():
            drawn = generate(
                input_ids=source,
                attention_mask=mask.long(),
                do_sample=True,
                temperature=self.config.temperature,
                top_k=0,
                max_new_tokens=self.policy.max_target_length,
            )[:, 1:]
        target = drawn.clone()
        ends = (target == tokenizer.eos_id).long()
        target_mask = ends.cumsum(1) - ends == 0
        rows = [row[kept].tolist() for row, kept in zip(target, target_mask, strict=True)]
        reward = self.scorer.score(texts, tokenizer.decode(rows))
        return Samples(source, mask, target, target_mask, torch.tensor(reward, dtype=torch.float32))

    def log_probs(self, policy: Seq2SeqPolicy, batch: Samples) -> Tensor:
        """Of all tokens, float32 [B,T], from logits of the whole vocabulary."""
        logits = self.forward(policy, batch).logits / self.config.temperature
        return logits.log_softmax(-1).gather(-1, batch.target[:, :, None])[:, :, 0]  # type: ignore[no-any-return]

    def values(self, batch: Samples) -> Tensor:
        """Of all tokens, float32 [B,T]."""
        output = self.forward(self.critic, batch, output_hidden_states=True)
        return self.head(output.decoder_hidden_states[-1])[:, :, 0]  # type: ignore[no-any-return]

    def forward(self, policy: Seq2SeqPolicy, batch: Samples, **options: Any) -> Any:
        """The library's forward pass, without dropout."""
        import torch

        model: Any = policy.model
        start = torch.full((len(batch.target), 1), model.config.decoder_start_token_id)
        entered = torch.cat([start, batch.target[:, :-1]], dim=1)
        return model(
            input_ids=batch.source, attention_mask=batch.source_mask.long(), decoder_input_ids=entered, **options
        )

    def update(self, rows: list[tuple[Tensor, ...]]) -> None:
        """One step on a minibatch."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        source, target, old, prior, value, reward = zip(*rows, strict=True)
        lengths = torch.tensor([len(each) for each in target])
        read = torch.tensor([len(each) for each in source])
        pad = self.policy.tokenizer.pad_id
        batch = Samples(
            pad_sequence(list(source), True, pad),
            torch.arange(int(read.max())) < read[:, None],
            pad_sequence(list(target), True, pad),
            torch.arange(int(lengths.max())) < lengths[:, None],
            torch.stack(reward),
        )
        mask = batch.target_mask
        behaviour, known = pad_sequence(list(old), True), pad_sequence(list(value), True)
        rewards = -BETA * (behaviour - pad_sequence(list(prior), True))
        rewards[torch.arange(len(rows)), lengths - 1] += batch.reward
        advantage, following = torch.zeros_like(known), torch.zeros(len(rows))
        after = torch.zeros(len(rows))
        for step in reversed(range(known.shape[1])):
            delta = rewards[:, step] + following - known[:, step]
            after = (delta + LAMBDA * after) * mask[:, step]
            advantage[:, step], following = after, known[:, step] * mask[:, step]
        returns = advantage + known
        kept = advantage[mask]
        weight = (advantage - kept.mean()) / (kept.std() + 1e-8)
        ratio = (self.log_probs(self.policy, batch) - behaviour).exp()
        surrogate = torch.minimum(ratio * weight, ratio.clamp(1 - EPSILON, 1 + EPSILON) * weight)
        loss = -surrogate[mask].mean() + ((self.values(batch) - returns)[mask] ** 2).mean()
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        self.adam.step()


def _rows(written: list[Samples], known: list[tuple[Tensor, Tensor, Tensor]]) -> list[tuple[Tensor, ...]]:
    """Samples by themselves, without padding: source, target, log-probabilities of policy and prior, values, reward."""
    rows = []
    for batch, facts in zip(written, known, strict=True):
        for row in range(len(batch.reward)):
            mask = batch.target_mask[row]
            facts_of_row = [fact[row][mask] for fact in facts]
            rows.append(
                (batch.source[row][batch.source_mask[row]], batch.target[row][mask], *facts_of_row, batch.reward[row])
            )
    return rows


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    import torch
    import transformers

    task = load_task(config.task, **config.task_options)
    if task.default_scorer is None:
        raise SystemExit(f"error: task {config.task!r} has no scorer of its own; choose one that has")
    scorer = load_scorer(task.default_scorer)
    if config.policy is None:
        policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, config.size.for_task(task), config.seed)
    else:
        policy = agents.Seq2SeqPolicy.load(config.policy)
    texts = list(task.split("train").sources)
    samples = config.batches * config.sources * config.candidates
    rollouts = RolloutConfig(config.sources, config.candidates, config.temperature, config.seed, max_samples=samples)
    tokens = _padded_tokens(policy, texts, config)

    def ours() -> None:
        agent = agents.make_agent("ppo", policy.clone(), epochs=config.epochs)
        training = TrainingConfig(
            learning_rate=5e-5, tokens_per_batch=tokens, max_tokens=10**9, evaluate_every=10**9, progress=False,
            warmup_tokens=0, seed=config.seed,
        )  # fmt: skip
        agents.OnPolicy(agent, texts, scorer, rollouts).improve(training)

    def ours_sampled() -> None:
        learner = agents.OnPolicy(agents.make_agent("ppo", policy.clone()), texts, scorer, rollouts)
        for number in range(config.batches):
            learner.rollout(number)

    def baseline(updates: bool) -> None:
        loop = GenerateLoop(policy, scorer, config)
        for number in range(config.batches):
            loop.train(texts[number * config.sources :][: config.sources], updates)

    timed: dict[str, Timed] = {
        "on generate, whole loop": lambda: baseline(updates=True),
        "ours, whole loop": ours,
        "on generate, sampling and scoring": lambda: baseline(updates=False),
        "ours, sampling and scoring": ours_sampled,
    }
    if config.cpu_time:
        timed = {name: by_cpu(run) for name, run in timed.items()}
    measured = rates(timed, samples, config.repeats)
    print(f"{policy}; {samples} samples, {config.epochs} epochs, {tokens} tokens an update")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} threads")
    names = list(measured)
    rows = []
    for name in names:
        base = names[names.index(name) // 2 * 2]
        rows.append([name, spread(measured[name]), f"{median(measured[name]) / median(measured[base]):.2f}"])
    print(table(("PPO", "samples per second", "ratio"), rows))


def _padded_tokens(policy: Seq2SeqPolicy, texts: list[str], config: Config) -> int:
    """Tokens of a minibatch of the baseline on its wider side, padding counted."""
    rows = policy.sample(policy.encode(texts[: config.minibatch]), 1, config.temperature, config.seed)
    longest = max(
        max(map(len, policy.encode(texts[: config.minibatch]))), int((rows.offsets[1:] - rows.offsets[:-1]).max())
    )
    return max(config.minibatch * longest, policy.max_target_length)


if __name__ == "__main__":
    main()
