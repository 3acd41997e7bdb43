"""The arithmetic task: word problems drawn from a seed, with solutions for some of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers

from seq2seq_env.tasks.arithmetic import problems
from seq2seq_env.tasks.arithmetic.problems import FEWEST_EVENTS, MOST_EVENTS, draw_problem, is_right, solve
from seq2seq_env.tasks.task import SOURCE_ONLY, Oracle, Split, Task, unknown_split
from seq2seq_env.tokenization.tokenizer import END, PADDING, UNKNOWN, Tokenizer
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice, check_room
from seq2seq_env.writing import shortened

_BUCKETS = {"validation": (0,), "test": (1,), "train": (2, 3, 4, 5), SOURCE_ONLY: (6, 7, 8, 9)}
"""Which tenths of all calculations a split's problems are of."""

LARGEST_ANSWER = 10**9 - 1
"""An answer that a hypothesis can give: it is read from nine digits without a sign."""

OPERATORS, SIGNS = "+-*/=", ".?;"


class ArithmeticTask(Task):
    """Arithmetic word problems, whose answers are checked exactly.

    "Anna has 14 apples. Anna buys 3 more. How many apples does Anna have now?" A reference is the worked solution,
    "14 + 3 = 17; answer 17"; a hypothesis is right if it ends with the right answer, whatever comes before (the binary
    reward of ReST-EM, Singh et al. 2023, arXiv 2312.06585). A problem belongs to the split that its calculation hashes
    to: no calculation of one split is in another, under other names neither. The source-only split has problems without
    solutions, which a Grow step may draw. Each problem is drawn from a random stream of its own.

    Args:
        seed: Of the problems.
        train_size: Problems with solutions.
        source_only_size: Problems without solutions, 0 for no such split.
        validation_size: Problems in the validation split.
        test_size: Problems in the test split.
        events: Things that happen in a problem at most, from 1 to 4; the fewest is 1.
        tokenizer: A pretrained model's folder or name on the hub; None takes a token for each word and number.
        prompt: Text around every problem for a decoder-only model, with {source} in it.
        chat: Whether that is a user's message in the chat template of the model's tokenizer.
        max_tokens: Tokens of a problem, and of a solution, at most, end-of-sequence included.

    Raises:
        ValueError: If a size or a number is out of range, or there is a prompt and no tokenizer.
    """

    name = "arithmetic"
    default_scorer = "arithmetic-checker"

    def __init__(
        self,
        seed: int = 0,
        *,
        train_size: int = 2_000,
        source_only_size: int = 8_000,
        validation_size: int = 500,
        test_size: int = 1_000,
        events: int = 3,
        tokenizer: str | Path | None = None,
        prompt: str = "",
        chat: bool = False,
        max_tokens: int = 58,
    ) -> None:
        self._sizes = {
            "train": train_size, "validation": validation_size, "test": test_size, SOURCE_ONLY: source_only_size,
        }  # fmt: skip
        for name, size in self._sizes.items():
            if size < (name != SOURCE_ONLY):
                raise ValueError(f"{name.replace('-', '_')}_size is {size}; give {int(name != SOURCE_ONLY)} or more")
        if not FEWEST_EVENTS <= events <= MOST_EVENTS:
            raise ValueError(f"events is {events}; give {FEWEST_EVENTS} to {MOST_EVENTS}")
        chosen = TokenizerChoice.of(tokenizer, prompt=prompt, chat=chat)
        self.tokenizer = word_tokenizer() if chosen.name is None else chosen.load()
        check_room(self.tokenizer, max_tokens)
        self.seed, self._events = seed, events
        self.max_source_length = self.max_target_length = max_tokens
        code = hashlib.sha256(Path(problems.__file__).read_bytes()).hexdigest()
        identity = (self.name, code, seed, sorted(self._sizes.items()), events, self.tokenizer.fingerprint, max_tokens)
        self.fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()
        self._splits: dict[str, Split] = {}

    @property
    def has_source_only(self) -> bool:
        """Whether there are problems without solutions."""
        return self._sizes[SOURCE_ONLY] > 0

    def size(self, split: str) -> int:
        """Number of problems in a split."""
        if not self._sizes.get(split):
            raise unknown_split(split, [name for name, size in self._sizes.items() if size])
        return self._sizes[split]

    def pair(self, split: str, index: int) -> tuple[str, str | None]:
        """Problem and solution by split and row, without drawing the rest of the split.

        Raises:
            ValueError: If there is no such split, or problem or solution has more tokens than there is room for.
            IndexError: If it has no such row.
        """
        if not 0 <= index < self.size(split):
            raise IndexError(f"row {index} is outside the {split} split; its rows are 0 to {self.size(split) - 1}")
        random, buckets = Random(f"{self.seed}/{split}/{index}"), _BUCKETS[split]
        while True:
            problem = draw_problem(random, random.randint(FEWEST_EVENTS, self._events))
            solution = solve(problem).text
            if crc32(solution.encode()) % 10 in buckets:
                self._check_length(split, index, problem, solution)
                return problem, None if split == SOURCE_ONLY else solution

    def _check_length(self, split: str, index: int, problem: str, solution: str) -> None:
        rows = self.tokenizer.encode([problem])[0], self.tokenizer.encode_targets([solution])[0]
        longest = max(map(len, rows))
        if longest > self.max_source_length:
            raise ValueError(
                f"problem {index} of {split} or its solution has {longest} tokens, and max_tokens is "
                f"{self.max_source_length}; give {longest} or more"
            )

    def split(self, name: str) -> Split:
        """All of a split; drawn once."""
        if name not in self._splits:
            pairs = [self.pair(name, index) for index in range(self.size(name))]
            solutions = [solution for _, solution in pairs if solution is not None]
            self._splits[name] = Split(name, [problem for problem, _ in pairs], solutions)
        return self._splits[name]

    @property
    def oracle(self) -> Oracle:
        """1 where a hypothesis ends with the right answer, else 0; of any problem of this kind."""
        return judge

    def wordings(self, source: str) -> list[str]:
        """The worked solution."""
        return [solve(source).text]


def judge(sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
    """Whether hypotheses end with the right answers, float32 [N].

    Raises:
        ValueError: If a source is none of these problems, its answer is below 0 or above :data:`LARGEST_ANSWER`, so
            that nothing would be right, or there are not as many hypotheses.
    """
    if len(sources) != len(hypotheses):
        raise ValueError(f"{len(sources)} sources but {len(hypotheses)} hypotheses; give one hypothesis a source")
    for problem in dict.fromkeys(sources):
        answer = solve(problem).answer
        if not 0 <= answer <= LARGEST_ANSWER:
            raise ValueError(
                f"the answer to {shortened(problem)} is {answer}, which no hypothesis can give; score problems whose "
                f"answers are 0 to {LARGEST_ANSWER}"
            )
    right = (is_right(problem, text) for problem, text in zip(sources, hypotheses, strict=True))
    return np.fromiter(right, dtype=np.float32, count=len(sources))


def word_tokenizer() -> Tokenizer:
    """A token for each word, number and sign, with the space before it."""
    tokens = [END, UNKNOWN, *SIGNS, *("▁" + word for word in (*OPERATORS, *problems.words())), PADDING]
    backend = tokenizers.Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split(tokenizers.Regex("[.?;]"), "isolated")]
    )
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens([END, UNKNOWN, PADDING])
    return Tokenizer(backend)
