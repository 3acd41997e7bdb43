"""Names of the engines that sample, and of their arithmetic."""

from __future__ import annotations

from typing import Literal

Engine = Literal["auto", "transformers", "static", "ctranslate2", "vllm"]

ComputeType = Literal["float32", "int8", "float16", "bfloat16"]
"""Arithmetic of an engine; float16 is CTranslate2's and vLLM's alone."""
