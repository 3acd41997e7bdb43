"""vLLM itself, on a GPU; what is asked of it is tested on a stand-in in tests/agents/sampling/test_vllm_sampler.py.

`.ci/libraries vllm` installs it. It was not run where this was written.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

pytest.importorskip("vllm", reason="vllm is not installed, see .ci/libraries")
if not torch.cuda.is_available():
    pytest.skip("vLLM needs a GPU", allow_module_level=True)

from agents import PolicyConfig, Seq2SeqPolicy, VLLMSampler
from tests.conftest import TinyTask

pytestmark = pytest.mark.filterwarnings("ignore")  # its processes are the garbage collector's


def test_samples_are_the_policys() -> None:
    task = TinyTask()
    sizes = PolicyConfig(architecture="decoder-only", d_model=256, num_heads=4, decoder_layers=2, ffn_dim=512)
    policy = Seq2SeqPolicy.from_config(task.tokenizer, sizes.for_task(task), seed=3).to("cuda")
    sources = ["eins rot haus", "zwei", "drei blau"]
    samples = VLLMSampler(policy, "float32").sample(policy.encode(sources), 8, 0.8, seed=1)
    rows = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
    asked = policy.encode([sources[i] for i in samples.source_index])
    np.testing.assert_allclose(samples.log_prob, np.concatenate(policy.log_probs(asked, rows, 0.8)), rtol=0, atol=1e-3)
    ended = np.array([row[-1] == policy.tokenizer.eos_id for row in rows])
    np.testing.assert_array_equal(samples.terminated, ended)
    assert (np.diff(samples.offsets)[~ended] == policy.max_target_length).all()
