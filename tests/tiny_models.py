"""Pretrained encoder-decoders of 16 features on the tiny task's words, in the Hugging Face hub's own formats.

They are untrained: what is tested is that ids, codes, start tokens and files are those of the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartTokenizer,
    MT5Config,
    MT5ForConditionalGeneration,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from agents import BC, PolicyConfig, Seq2SeqPolicy, TrainingConfig
from buffers import Slice
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization import tokenizer as tokenization

SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 24,
    "init_std": 0.3,
}

# Languages and prefixes as options of a task.
OPTIONS: dict[str, dict[str, str]] = {
    "marian": {},
    "m2m100": {"source_language": "de", "target_language": "en"},
    "nllb": {"source_language": "deu_Latn", "target_language": "eng_Latn"},
    "mbart": {"source_language": "de_DE", "target_language": "en_XX"},
    "bart": {},
    "t5": {"source_prefix": "eins zu one: "},
}


def tiny_policy_config(**changes: Any) -> PolicyConfig:
    """The default policy network in 16 features, for the tiny task."""
    sizes: dict[str, Any] = {"d_model": 16, "num_heads": 2, "encoder_layers": 1, "decoder_layers": 2, "ffn_dim": 32}
    return PolicyConfig(**sizes | {"max_source_length": 12, "max_target_length": 12} | changes)


def trained_policy(task: Task) -> Seq2SeqPolicy:
    """Such a policy after a second on the task's training pairs."""
    policy, train = Seq2SeqPolicy.from_config(task.tokenizer, tiny_policy_config(), seed=3), task.split("train")
    config = TrainingConfig(
        learning_rate=1e-2,
        tokens_per_batch=64,
        max_tokens=6_000,
        warmup_tokens=500,
        evaluate_every=6_000,
        progress=False,
    )
    BC(policy).improve(Slice.from_pairs(train.sources, train.references, task.tokenizer, 12, 12), config)
    return policy


def random_policy(name: str, tokenizer: tokenization.Tokenizer, **changes: Any) -> Seq2SeqPolicy:
    """A random model of 16 features in the layout of a pretrained "bart", "mbart", "t5", "t5-v1.1" or "mt5"."""
    common: dict[str, Any] = {
        "vocab_size": tokenizer.vocab_size,
        "pad_token_id": tokenizer.pad_id,
        "eos_token_id": tokenizer.eos_id,
        "bos_token_id": None,
        "decoder_start_token_id": tokenizer.eos_id,
    }
    torch.manual_seed(0)
    if "t5" in name:
        common["vocab_size"] += 5  # its embedding has more rows than its tokenizer
        common |= {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
        later: dict[str, Any] = {"feed_forward_proj": "gated-gelu"} if name != "t5" else {}
        later |= {"tie_word_embeddings": False} if name == "t5-v1.1" else {}
        model: Any = (
            MT5ForConditionalGeneration(MT5Config(**common | later | changes))
            if name == "mt5"
            else T5ForConditionalGeneration(T5Config(**common | later | changes))
        )
        if later:  # T5 1.1 and mT5 have an LM head of their own, which only their checkpoints say
            model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) / 4)
        return Seq2SeqPolicy(model, tokenizer, 12)
    sizes = SIZES | {"max_position_embeddings": 20, "init_std": 0.5, "forced_eos_token_id": None} | changes
    configs = {"bart": BartConfig, "mbart": MBartConfig}
    models = {"bart": BartForConditionalGeneration, "mbart": MBartForConditionalGeneration}
    return Seq2SeqPolicy(models[name](configs[name](**common, **sizes)), tokenizer, 12)


def save_pretrained(name: str, folder: Path, words: list[str]) -> Path:
    """A model and its tokenizer in ``folder``, as if downloaded."""
    folder.mkdir(parents=True)
    letters = sorted({letter for word in words for letter in word} | {"z", ":"})
    pieces = [f"▁{word}" for word in words] + ["▁", *letters]
    torch.manual_seed(1)
    MAKERS[name](folder, pieces)
    return folder


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """A SentencePiece model's file: unknown, control pieces, and the given ones, the first the likeliest."""
    read: Any = sentencepiece_model_pb2
    proto = read.ModelProto()
    for text, of_type in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        proto.pieces.add(piece=text, score=0.0, type=of_type)
    for place, text in enumerate(pieces):
        proto.pieces.add(piece=text, score=-1.0 - 0.1 * place, type=1)
    proto.trainer_spec.model_type = 1
    proto.trainer_spec.unk_id = 0
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = True
    path.write_bytes(proto.SerializeToString())


def generation(**settings: Any) -> dict[str, Any]:
    """What configurations on the hub still have beside sizes."""
    return settings


def _marian(folder: Path, pieces: list[str]) -> None:
    source, target = pieces[: len(pieces) // 2 + 4], pieces[8:]
    write_pieces(folder / "source.spm", source)
    write_pieces(folder / "target.spm", target)
    vocabulary = ["</s>", "<unk>", *pieces, "<pad>"]
    _write(folder / "vocab.json", {piece: token for token, piece in enumerate(vocabulary)})
    _write(folder / "tokenizer_config.json", {"source_lang": "de", "target_lang": "en"})
    pad = len(vocabulary) - 1
    config = MarianConfig(
        vocab_size=len(vocabulary), **SIZES, scale_embedding=True, eos_token_id=0, pad_token_id=pad, bos_token_id=0,
        decoder_start_token_id=pad, forced_eos_token_id=0, **generation(num_beams=6, bad_words_ids=[[pad]]),
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)


def _m2m100(folder: Path, pieces: list[str]) -> None:
    write_pieces(folder / "sentencepiece.bpe.model", pieces)
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    _write(folder / "vocab.json", {piece: token for token, piece in enumerate(vocabulary)})
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "M2M100Tokenizer", "src_lang": None})
    _save_m2m100(folder, len(vocabulary) + 108)  # 100 languages and 8 unused tokens


def _save_m2m100(folder: Path, vocab_size: int) -> None:
    config = M2M100Config(
        vocab_size=vocab_size, **SIZES, pad_token_id=1, eos_token_id=2, bos_token_id=0, decoder_start_token_id=2
    )
    M2M100ForConditionalGeneration(config).save_pretrained(folder)


def _nllb(folder: Path, pieces: list[str]) -> None:
    letters = [piece for piece in pieces if len(piece) == 1]
    merges = []
    for word in (piece for piece in pieces if len(piece) > 1):
        merges += [(word[:cut], word[cut]) for cut in range(1, len(word))]
    merges = list(dict.fromkeys(merges))
    texts = ["<s>", "<pad>", "</s>", "<unk>", *letters, *dict.fromkeys(left + right for left, right in merges)]
    vocabulary = {text: token for token, text in enumerate(texts)}
    kind: Any = NllbTokenizer
    tokenizer = kind(vocab=vocabulary, merges=merges, additional_special_tokens=["deu_Latn", "eng_Latn", "fra_Latn"])
    tokenizer.save_pretrained(folder)
    _save_m2m100(folder, len(tokenizer) + 2)


def _mbart(folder: Path, pieces: list[str]) -> None:
    scored = [(text, 0.0) for text in ("<s>", "<pad>", "</s>", "<unk>")]
    scored += [(piece, -1.0 - 0.1 * place) for place, piece in enumerate(pieces)]
    tokenizer: Any = MBartTokenizer(vocab=scored)
    tokenizer.save_pretrained(folder)
    config = MBartConfig(
        vocab_size=len(tokenizer), **SIZES, pad_token_id=1, eos_token_id=2, bos_token_id=0,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("de_DE"), forced_eos_token_id=2,
        **generation(num_beams=5),
    )  # fmt: skip
    MBartForConditionalGeneration(config).save_pretrained(folder)


def _bart(folder: Path, pieces: list[str]) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [piece.replace("▁", "Ġ") for piece in pieces if len(piece) > 1]
    merges = list(dict.fromkeys((word[:cut], word[cut]) for word in words for cut in range(1, len(word))))
    joined = dict.fromkeys(left + right for left, right in merges)
    texts = ["<s>", "<pad>", "</s>", "<unk>", *letters, *joined, "<mask>"]
    backend = Tokenizer(models.BPE({text: token for token, text in enumerate(texts)}, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    backend.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>"}
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})
    config = BartConfig(
        vocab_size=len(texts), **SIZES, pad_token_id=1, eos_token_id=2, bos_token_id=0, decoder_start_token_id=2,
        forced_eos_token_id=2,
        **generation(forced_bos_token_id=0, num_beams=4, no_repeat_ngram_size=3, min_length=5),
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(folder)


def _t5(folder: Path, pieces: list[str]) -> None:
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    scored += [(piece, -1.0 - 0.1 * place) for place, piece in enumerate(pieces)]
    scored += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(3))]
    tokenizer: Any = T5Tokenizer(vocab=scored, extra_ids=3)
    tokenizer.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(tokenizer) + 5, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        pad_token_id=0, eos_token_id=1, initializer_factor=1.0, **generation(decoder_start_token_id=0),
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)


MAKERS = {"marian": _marian, "m2m100": _m2m100, "nllb": _nllb, "mbart": _mbart, "bart": _bart, "t5": _t5}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), "utf-8")
