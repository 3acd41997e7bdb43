"""A pretrained encoder-decoder, by name on the Hugging Face hub or by folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seq2seq_env.hub import local_copy
from seq2seq_env.models.quiet_loading import quiet
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_pretrained(name: str | Path) -> PreTrainedModel:
    """The model in float32 on the CPU, with none of its own settings of ``generate`` but the special tokens.

    Only safetensors are read (the hub converts a model's older weights itself), and no code of the model is run.

    Raises:
        FileNotFoundError: If the folder is no model's, or has no safetensors.
        OSError: If the hub does not have the model or cannot be reached.
        ValueError: If it is no encoder-decoder, or weights are missing or of another shape.
    """
    from transformers import AutoModelForSeq2SeqLM, GenerationConfig

    import agents.policy.action_values  # noqa: F401  # makes its architectures known

    local = Path(name).is_dir()
    # For a name it is the configuration alone, and says in one sentence what is wrong with it.
    folder = local_copy(name, ["config.json"])
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no config.json in {str(name)!r}; name the folder of a model")
    if local and not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"no safetensors in {str(name)!r}; write them once, with transformers: "
            f"AutoModelForSeq2SeqLM.from_pretrained({str(name)!r}).save_pretrained({str(name)!r})"
        )
    try:
        model: Any
        with quiet():
            model, loading = AutoModelForSeq2SeqLM.from_pretrained(
                name, attn_implementation="eager", dtype=torch.float32, use_safetensors=True, local_files_only=local,
                output_loading_info=True,
            )  # fmt: skip
    except Exception as error:  # of many kinds, by what is wrong
        raise _explained(name, folder, error) from error
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise ValueError(
            f"the weights of {str(name)!r} lack {missing[0]} and {len(missing) - 1} more; download it whole"
        )
    fix_positions(model)
    ids = {key: getattr(model.config, key, None) for key in ("eos_token_id", "pad_token_id", "decoder_start_token_id")}
    # Summarisers bring a least length, translators a number of beams: a policy has its own.
    model.generation_config = GenerationConfig(**ids)  # type: ignore[no-untyped-call]
    return model  # type: ignore[no-any-return]


def check_fit(model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Refuse a model and a tokenizer that do not belong together.

    Raises:
        ValueError: If the tokenizer knows more tokens, or pads or ends with another one.
    """
    config = model.config
    if not 0 < tokenizer.vocab_size <= config.vocab_size or config.pad_token_id != tokenizer.pad_id:
        raise ValueError(
            f"the model knows {config.vocab_size} tokens and pads with {config.pad_token_id}, the tokenizer "
            f"{tokenizer.vocab_size} and {tokenizer.pad_id}; load both from one folder"
        )
    if config.eos_token_id not in (None, tokenizer.eos_id):
        raise ValueError(
            f"the model ends with token {config.eos_token_id}, the tokenizer with {tokenizer.eos_id}; load both from "
            "one folder"
        )


def fix_positions(model: Any) -> None:
    """Sinusoidal positions do not learn: transformers makes them fixed, and trainable where it loads them."""
    for module in model.modules():
        if "Sinusoidal" in type(module).__name__:
            module.requires_grad_(False)


def _explained(name: str | Path, folder: Path, error: Exception) -> Exception:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING

    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    try:
        known = (
            type(AutoConfig.from_pretrained(folder, local_files_only=True)) in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
        )
    except Exception:
        known = False
    if not known:
        return ValueError(
            f"{str(name)!r} is no encoder-decoder ({reason}); name a Marian, M2M100, mBART, BART or T5 model"
        )
    kind = OSError if isinstance(error, OSError) else ValueError
    return kind(
        f"the model {str(name)!r} cannot be loaded ({reason}); download it again, or name a folder that holds it"
    )
