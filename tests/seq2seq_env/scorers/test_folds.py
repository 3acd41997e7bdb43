from __future__ import annotations

from seq2seq_env.scorers.folds import fold_of


def test_fold_depends_on_the_text_alone() -> None:
    assert [fold_of(f"satz nummer {number}", 4) for number in range(8)] == [2, 1, 0, 1, 2, 1, 0, 3]
    assert {fold_of(text, 7) for text in ("Größe  hier", "größe hier", "gro\u0308ße hier ")} == {
        fold_of("größe hier", 7)
    }
