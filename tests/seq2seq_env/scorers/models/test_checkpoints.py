"""Networks read from checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.utils import logging as module

from seq2seq_env import load_scorer

logging: Any = module


def test_a_single_text_is_refused_and_not_scored_letter_by_letter() -> None:
    with pytest.raises(TypeError, match="sequences of str; wrap a single sentence in a list"):
        load_scorer("phrasebook-qe").score("Ja.", "No.")
    with pytest.raises(ValueError, match="there are 1 sources but 2 hypotheses; give one for each"):
        load_scorer("phrasebook-qe").score(["Ja."], ["Yes.", "No."])


@pytest.mark.parametrize("shown", [True, False])
def test_a_network_is_loaded_without_a_progress_bar(shown: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """And what others load afterwards shows theirs as before."""
    before = logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
    try:
        load_scorer("phrasebook-qe").score(["Ja."], ["Yes."])
        assert capfd.readouterr().err == ""
        assert logging.is_progress_bar_enabled() is shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()
