"""A pretrained encoder-decoder or decoder-only model, by name on the Hugging Face hub or by folder."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seq2seq_env.hub import local_copy
from seq2seq_env.models.decoder_only import is_decoder_only
from seq2seq_env.models.quiet_loading import quiet
from seq2seq_env.tokenization.pretrained_tokenizer import PretrainedTokenizer
from seq2seq_env.tokenization.prompt_tokenizer import PromptTokenizer
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def auto_class(folder: Path) -> Any:
    """The class of ``transformers`` that loads the model of a folder: with an encoder or without one.

    Raises:
        Exception: Of several kinds, if no configuration can be read.
        ValueError: If it is neither an encoder-decoder nor a decoder-only model.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from transformers.models.auto import modeling_auto

    import agents.policy.action_values  # noqa: F401  # makes its architectures known

    # Without a no, the library asks on the terminal whether it may run code that lies in the folder.
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not is_decoder_only(config):
        return AutoModelForSeq2SeqLM
    # An encoder with an LM head reads what comes after a token, too.
    causal, masked = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING, modeling_auto.MODEL_FOR_MASKED_LM_MAPPING
    if type(config) not in causal or type(config) in masked:
        raise ValueError(f"a model of type {config.model_type!r} writes no text token by token")
    return AutoModelForCausalLM


def load_pretrained(name: str | Path, tokenizer: Tokenizer) -> PreTrainedModel:
    """The model in float32 on the CPU, with none of its own settings of ``generate`` but the special tokens.

    Only safetensors are read (the hub converts a model's older weights itself), and no code of the model is run.

    Args:
        name: Folder, or name on the hub.
        tokenizer: The model's; a decoder-only model takes its end-of-sequence and padding, as its own end a document
            and are often one.

    Raises:
        FileNotFoundError: If the folder is no model's, or has no safetensors.
        OSError: If the hub does not have the model or cannot be reached.
        ValueError: If it is neither an encoder-decoder nor decoder-only, or weights are missing or of another shape.
    """
    from transformers import GenerationConfig

    local = Path(name).is_dir()
    # For a name it is the configuration alone, and says in one sentence what is wrong with it.
    folder = local_copy(name, ["config.json"])
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no config.json in {str(name)!r}; name the folder of a model")
    if local and not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"no safetensors in {str(name)!r}; write them once, with transformers: "
            f"{auto_class(folder).__name__}.from_pretrained({str(name)!r}).save_pretrained({str(name)!r})"
        )
    try:
        model: Any
        with quiet():
            model, loading = auto_class(folder).from_pretrained(
                name, attn_implementation="eager", dtype=torch.float32, use_safetensors=True, local_files_only=local,
                output_loading_info=True, trust_remote_code=False,
            )  # fmt: skip
    except Exception as error:  # of many kinds, by what is wrong
        raise _explained(name, folder, error) from error
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise ValueError(
            f"the weights of {str(name)!r} lack {missing[0]} and {len(missing) - 1} more; download it whole"
        )
    fix_positions(model)
    if is_decoder_only(model.config):
        _take_special_tokens(model, tokenizer)
    ids = {key: getattr(model.config, key, None) for key in ("eos_token_id", "pad_token_id", "decoder_start_token_id")}
    # Summarisers bring a least length, translators a number of beams: a policy has its own.
    model.generation_config = GenerationConfig(**ids)  # type: ignore[no-untyped-call]
    return model  # type: ignore[no-any-return]


def check_fit(model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Refuse a model and a tokenizer that do not belong together.

    Raises:
        ValueError: If the tokenizer knows more tokens, or pads or ends with another one, or its prompts are not for the
            model, or the model wants them and there are none.
    """
    config = model.config
    has_prompt = isinstance(tokenizer, PromptTokenizer)
    if has_prompt and not is_decoder_only(config):
        raise ValueError("a prompt is for decoder-only models, and this one has an encoder; leave out prompt and chat")
    if is_decoder_only(config):
        if isinstance(tokenizer, PretrainedTokenizer) and not has_prompt:
            raise ValueError("the model is decoder-only and wants a prompt; give the option prompt, or chat")
        if "position_ids" not in signature(model.forward).parameters:
            raise ValueError(
                f"a model of type {config.model_type!r} takes no positions, which padding on the left needs; choose "
                "another one"
            )
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


def _take_special_tokens(model: Any, tokenizer: Tokenizer) -> None:
    """End-of-sequence and padding of the tokenizer, and an embedding for padding where the model has none."""
    rows = model.get_input_embeddings().num_embeddings
    if tokenizer.vocab_size == rows + 1 and tokenizer.pad_id == rows:
        with quiet():
            resize_embeddings(model, rows + 1)
        with torch.no_grad():  # never read: what a fingerprint is of should not be random
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                layer.weight[rows:].zero_()
    model.config.eos_token_id, model.config.pad_token_id = tokenizer.eos_id, tokenizer.pad_id


def resize_embeddings(model: Any, rows: int) -> None:
    """Give a model embeddings for more tokens, of random weights; an LM head of its own stays its own.

    transformers 5 says of every T5 and mT5 that its head is tied, and would replace the head that T5 1.1, FLAN-T5 and
    mT5 have by the embeddings.
    """
    said = model.config.tie_word_embeddings
    model.config.tie_word_embeddings = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    try:
        with torch.random.fork_rng():
            model.resize_token_embeddings(rows, mean_resizing=False)
    finally:
        model.config.tie_word_embeddings = said


def fix_positions(model: Any) -> None:
    """Sinusoidal positions do not learn: transformers makes them fixed, and trainable where it loads them."""
    for module in model.modules():
        if "Sinusoidal" in type(module).__name__:
            module.requires_grad_(False)


def _explained(name: str | Path, folder: Path, error: Exception) -> Exception:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if "trust_remote_code" in str(error):  # which the library asks to be told, and nobody here can
        reason = "it takes code that comes with it, which is never run"
    try:
        auto_class(folder)
    except Exception:
        return ValueError(
            f"{str(name)!r} is no encoder-decoder and no decoder-only model ({reason}); name a Marian, M2M100, mBART, "
            "BART, T5, Llama, Qwen or GPT-2 model, say"
        )
    kind = OSError if isinstance(error, OSError) else ValueError
    return kind(
        f"the model {str(name)!r} cannot be loaded ({reason}); download it again, or name a folder that holds it"
    )
