from .constraint import Constraint
from .env import Seq2SeqTranslateEnv
from .scorers import Scorer, load_scorer
from .tasks import load_task
from .tasks.task import Split, Task
from .tokenization.tokenizer import Tokenizer
from .vector_env import Seq2SeqTranslateVectorEnv

__all__ = [
    "Constraint",
    "Scorer",
    "Seq2SeqTranslateEnv",
    "Seq2SeqTranslateVectorEnv",
    "Split",
    "Task",
    "Tokenizer",
    "load_scorer",
    "load_task",
]
