"""Samplers, trajectories and shards of the buffer's tests."""

from tests.buffers.conftest import assert_equal, path, provenance, sampler, trajectories

__all__ = ["assert_equal", "path", "provenance", "sampler", "trajectories"]
