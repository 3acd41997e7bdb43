"""Pretrained decoder-only models of 16 features on the tiny task's words, in the Hugging Face hub's own formats.

They are untrained: what is tested is that ids, prompts and files are those of the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

CHAT_ML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template of many chat models, Qwen's, say."""

OPTIONS: dict[str, dict[str, Any]] = {
    "llama": {"prompt": "to English : {source}", "chat": True},
    "gpt2": {"prompt": "de : {source}\nen :"},
}
"""Of a task."""

DRAFTS: dict[str, dict[str, Any]] = {
    "llama": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "chat_template": CHAT_ML},
    "gpt2": {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>"},
}
"""Settings of their tokenizers: the second has one special token for all that there is to say."""


def save_decoder_only(name: str, folder: Path, words: list[str], **settings: Any) -> Path:
    """A model and its tokenizer in ``folder``, as if downloaded; ``settings`` are other ones of the tokenizer."""
    folder.mkdir(parents=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = [f"Ġ{word}" for word in words]
    merges = list(dict.fromkeys((word[:cut], word[cut]) for word in spelled for cut in range(1, len(word))))
    texts = [*letters, *dict.fromkeys(left + right for left, right in merges)]
    backend = Tokenizer(models.BPE({text: token for token, text in enumerate(texts)}, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|endoftext|>"] if name == "gpt2" else ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    backend.save(str(folder / "tokenizer.json"))
    known = {"tokenizer_class": "PreTrainedTokenizerFast", **DRAFTS[name], **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(known), "utf-8")
    size = backend.get_vocab_size()
    torch.manual_seed(1)
    model: Any
    if name == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=size, n_positions=128, n_embd=16, n_layer=2, n_head=2, initializer_range=0.3,
                       bos_token_id=size - 1, eos_token_id=size - 1)
        )  # fmt: skip
    else:  # its embedding has more rows than its tokenizer, and the text it was trained on another end than a chat
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=size + 5, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
                        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128,
                        initializer_range=0.3, bos_token_id=None, eos_token_id=size - 3)
        )  # fmt: skip
    model.save_pretrained(folder)
    return folder
