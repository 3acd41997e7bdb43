from __future__ import annotations

import pytest

from experiments.datasets.recipes import DATASETS, full_name, recipe_of
from seq2seq_env.tasks.phrasebook.regimes import REGIMES


def test_two_regimes_have_four_behaviours_each() -> None:
    assert len(DATASETS) == 8
    assert {recipe.regime for recipe in DATASETS.values()} == {"lowres-v1", "noisy-v1"} <= REGIMES.keys()
    mixed = recipe_of("phrasebook-noisy-mixed-v1")
    assert mixed.policies == ("random-init", "noisy-supervised", "noisy-improved")
    assert full_name("phrasebook-noisy-mixed-v1") == "translation/phrasebook-noisy-mixed-v1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "translation/phrasebook-lowres-mixed-v3",
            "'translation/phrasebook-lowres-mixed-v3'; this release makes .*-v1",
        ),
        ("phrasebook-lowres-mixt-v1", "choose one of .*; did you mean 'translation/phrasebook-lowres-mixed-v1'"),
    ],
)
def test_another_name_or_version_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_of(name)
