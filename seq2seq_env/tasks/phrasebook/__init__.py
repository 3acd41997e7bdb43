"""The embedded task: a phrasebook of everyday German sentences, their English, and an oracle of true quality."""

from seq2seq_env.tasks.phrasebook.task import PhrasebookTask

__all__ = ["PhrasebookTask"]
