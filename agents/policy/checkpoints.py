"""Checkpoints: a policy on disk as an ordinary Hugging Face folder, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from agents.policy.policy_folder import GENERATION
from agents.policy.pretrained import auto_class, fix_positions
from seq2seq_env.atomic_files import read_json, write_json, written_folder
from seq2seq_env.constraint import Constraint
from seq2seq_env.models.decoder_only import is_decoder_only
from seq2seq_env.models.quiet_loading import quiet
from seq2seq_env.tokenization.loading import load_tokenizer
from seq2seq_env.tokenization.pretrained_tokenizer import LANGUAGES, PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import PROMPT
from seq2seq_env.tokenization.tokenizer import END, FILE_NAME, PADDING, UNKNOWN, Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Entries of config.json that say where and with what a model was made, not what it computes.
PROVENANCE = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}


# A policy's own file, beside those of the Hugging Face folder; there only where something is constrained.
CONSTRAINT = "constraint.json"


def save(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    max_target_length: int,
    constraint: Constraint,
    start: Sequence[int],
) -> None:
    """Write ``config.json``, ``generation_config.json``, ``model.safetensors``, the tokenizer and the constraint.

    What has no encoder has no decoder start in ``generation_config.json``: it ends a prompt.

    Raises:
        OSError: If they cannot be written; a policy that was there before stays.
    """
    forced = () if is_decoder_only(model.config) else start[1:]
    generation: dict[str, Any] = {
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_id,
        "max_new_tokens": max_target_length,
        "pad_token_id": model.config.pad_token_id,
        "suppress_tokens": [tokenizer.unk_id, *sorted(tokenizer.never_written.difference(forced))],
    }
    if not is_decoder_only(model.config):
        generation["decoder_start_token_id"] = start[0]
        if len(start) > 1:
            generation["forced_bos_token_id"] = start[1]
    with written_folder(folder, last=GENERATION) as part:  # whoever finds its entries finds a whole policy
        with quiet():
            model.save_pretrained(part)
        tokenizer.save(part)
        if not isinstance(tokenizer, PretrainedTokenizer):  # which describes itself
            write_json(part / "tokenizer_config.json", _tokenizer_description(model))
        if constraint != Constraint():
            write_json(part / CONSTRAINT, _described(constraint))
        write_json(part / GENERATION, generation)
    if constraint == Constraint():
        (folder / CONSTRAINT).unlink(missing_ok=True)


def _tokenizer_description(model: PreTrainedModel) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "unk_token": UNKNOWN,
        "pad_token": PADDING,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,  # a text that spells one is text
        "model_max_length": getattr(model.config, "max_position_embeddings", None),
    }


def load(folder: Path) -> tuple[PreTrainedModel, Tokenizer, int, Constraint]:
    """Read what :func:`save` wrote: the model, its tokenizer, its ``max_target_length`` and its constraint.

    Raises:
        FileNotFoundError: If the folder lacks one of the files.
        ValueError: If the weights' file is corrupt, or the model was never saved as a policy.
    """
    kept = next((name for name in (LANGUAGES, PROMPT) if (folder / name).is_file()), FILE_NAME)
    for name in ("config.json", GENERATION, "model.safetensors", kept):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {str(folder)!r}; name a folder that a policy was saved to")
    generation = read_json(folder / GENERATION)
    if "max_new_tokens" not in generation:
        raise ValueError(
            f"{str(folder)!r} is a model as it was pretrained, not a saved policy; load it with "
            "Seq2SeqPolicy.from_pretrained, or start a run with --pretrained"
        )
    try:
        # Weights are drawn before they are read, from the generator that the caller draws from, too.
        with quiet(), torch.random.fork_rng():
            model: Any = auto_class(folder).from_pretrained(
                folder, attn_implementation="eager", dtype=torch.float32, use_safetensors=True, local_files_only=True,
                trust_remote_code=False,
            )  # fmt: skip
    except SafetensorError as error:
        raise ValueError(
            f"model.safetensors in {str(folder)!r} is corrupt ({error}); save or download it again"
        ) from error
    fix_positions(model)
    constraint = Constraint()
    if (folder / CONSTRAINT).is_file():
        described = read_json(folder / CONSTRAINT)
        vocabulary = described["vocabulary"]
        constraint = Constraint(None if vocabulary is None else frozenset(vocabulary), tuple(described["prefix"]))
    return model, load_tokenizer(folder), int(generation["max_new_tokens"]), constraint


def fingerprint(model: PreTrainedModel, tokenizer: Tokenizer, max_target_length: int, constraint: Constraint) -> str:
    """Hexadecimal sha256 of everything that a policy's output depends on."""
    config = {key: value for key, value in model.config.to_dict().items() if key not in PROVENANCE}
    described = [config, tokenizer.fingerprint, max_target_length]
    if constraint != Constraint():
        described.append(_described(constraint))
    header = json.dumps(described, sort_keys=True, default=str)
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(chain(model.named_parameters(), model.named_buffers()), key=lambda pair: pair[0]):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _described(constraint: Constraint) -> dict[str, list[int] | None]:
    vocabulary = None if constraint.vocabulary is None else sorted(constraint.vocabulary)
    return {"vocabulary": vocabulary, "prefix": [*constraint.prefix]}
