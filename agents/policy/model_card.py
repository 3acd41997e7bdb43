"""What a published policy says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq_env.constraint import Constraint
from seq2seq_env.publishing import ModelCard

if TYPE_CHECKING:
    from agents.policy.seq2seq_policy import Seq2SeqPolicy

_OURS = """from agents import Seq2SeqPolicy  # pip install seq2seq-env
from huggingface_hub import snapshot_download

policy = Seq2SeqPolicy.load(snapshot_download("{repo}"))
print(policy.translate(["..."]))"""

_THEIRS = """

# or in transformers alone
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{repo}")
model = AutoModelForSeq2SeqLM.from_pretrained("{repo}")
batch = tokenizer(["..."], return_tensors="pt", padding=True)
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))"""


def policy_card(policy: Seq2SeqPolicy, licence: str) -> ModelCard:
    """A card with what is known of the policy.

    Args:
        policy: To publish.
        licence: The hub's name of the licence.
    """
    model = policy.model
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    # The library knows neither an architecture of ours nor a constraint.
    alone = type(model).__module__.startswith("transformers.") and policy.constraint == Constraint()
    return ModelCard(
        what=f"A translation policy of seq2seq-env: a {type(model).__name__} of {millions:.1f} million parameters that "
        f"reads {policy.tokenizer.vocab_size:,} tokens and writes {policy.max_target_length} of them at most.",
        usage=_OURS + _THEIRS * alone,
        pipeline_tag="translation",
        tags=("translation", "seq2seq-env", "offline-rl"),
        licence=licence,
    )
