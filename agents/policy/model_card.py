"""Model card of a published policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq_env.constraint import Constraint
from seq2seq_env.models.decoder_only import is_decoder_only
from seq2seq_env.publishing import ModelCard
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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


def policy_card(
    model: PreTrainedModel, tokenizer: Tokenizer, max_target_length: int, constraint: Constraint, licence: str
) -> ModelCard:
    """A card with what is known of the policy; ``licence`` is the hub's name of it."""
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    # The library knows neither an architecture of ours nor a constraint, and not what stands around a source.
    known = type(model).__module__.startswith("transformers.") and not is_decoder_only(model.config)
    alone = known and constraint == Constraint()
    return ModelCard(
        what=f"A translation policy of seq2seq-env: a {type(model).__name__} of {millions:.1f} million parameters that "
        f"reads {tokenizer.vocab_size:,} tokens and writes {max_target_length} of them at most.",
        usage=_OURS + _THEIRS * alone,
        pipeline_tag="text-generation" if is_decoder_only(model.config) else "translation",
        tags=("translation", "seq2seq-env", "offline-rl"),
        licence=licence,
    )
