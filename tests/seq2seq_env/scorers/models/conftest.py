from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from transformers import PreTrainedModel

from seq2seq_env.scorers import LearnedScorer, PairEncoder
from seq2seq_env.tasks.task import Task
from tests.seq2seq_env.scorers.models.small_classifiers import SIZES, classifier


@pytest.fixture(scope="module")
def bert(tiny_task: Task) -> PreTrainedModel:
    size, padding = tiny_task.tokenizer.vocab_size, tiny_task.tokenizer.pad_id
    return classifier(
        transformers.BertConfig(vocab_size=size, pad_token_id=padding, max_position_embeddings=20, **SIZES)
    )


@pytest.fixture(scope="module")
def folder(tiny_task: Task, bert: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scorer") / "qe"
    LearnedScorer.save(path, bert, PairEncoder.from_tokenizer(tiny_task.tokenizer, max_length=20))
    return path


@pytest.fixture(scope="module")
def pairs(tiny_task: Task) -> tuple[list[str], list[str]]:
    train = tiny_task.split("train")
    hypotheses = [" ".join(text.split()[: i % 4]) for i, text in enumerate(train.references)]
    return train.sources + train.sources, train.references + hypotheses
