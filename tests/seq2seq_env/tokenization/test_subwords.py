"""Training of a subword tokenizer: which characters it keeps, the same in every process."""

from __future__ import annotations

import subprocess
import sys

from seq2seq_env.tokenization.subwords import train_subwords

RARE = [chr(0x4E00 + number) for number in range(40)]
"""Each once, so that only their order can decide."""


def test_of_equally_frequent_characters_the_first_are_kept() -> None:
    tokenizer = train_subwords([*reversed(RARE), "aaa a"], vocab_size=15)
    known = [text for text in RARE if tokenizer.unk_id not in tokenizer.encode([text])[0]]
    assert known == RARE[:10]  # beside the space and the letter


def test_two_processes_train_the_same_tokenizer() -> None:
    script = (
        "from seq2seq_env.tokenization.subwords import train_subwords\n"
        "print(train_subwords([chr(0x4E00 + number) for number in range(40)], 15).fingerprint)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == train_subwords(RARE, 15).fingerprint


def test_characters_that_all_fit_leave_the_tokenizer_as_it_was() -> None:
    texts = ["Die Fähre fährt ab.", " The ferry leaves.", "Fa\u0308hre um 15:40", ""] * 3
    tokenizer = train_subwords(iter(texts), vocab_size=60)
    recorded = "813f7e500400f62ef0b876f1957ed1ab57e5e3f13a519601d23acf1a28a7bd4b"
    assert tokenizer.fingerprint == recorded  # of the trainer's own choice
    assert tokenizer.decode(tokenizer.encode(["Fähre um 15:40"])) == ["Fähre um 15:40"]
