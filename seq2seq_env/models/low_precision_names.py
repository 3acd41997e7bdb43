"""Names of the arithmetic of linear layers, known without PyTorch."""

from __future__ import annotations

from typing import Literal

Arithmetic = Literal["float32", "bfloat16", "int8"]
"""Arithmetic of linear layers where nothing is trained; "int8" has a scale for each output feature of a weight."""
