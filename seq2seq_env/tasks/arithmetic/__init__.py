"""The verifiable task: arithmetic word problems, their worked solutions, and an exact checker of the answer."""

from seq2seq_env.tasks.arithmetic.task import ArithmeticTask

__all__ = ["ArithmeticTask"]
