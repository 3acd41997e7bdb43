from __future__ import annotations

import pytest

from seq2seq_env.tasks.corpora.cleaning import Pair, clean, uneven, usual_ratio

CHINESE = [
    ("我昨天在市场买了七个苹果。", "I bought seven apples at the market yesterday."),
    ("火车几点出发呢。", "At what time does the train leave?"),
    ("这家餐厅明天不开门。", "This restaurant will not be open tomorrow."),
    ("谢谢你的帮助。", "Thank you very much for your help."),
    ("请问邮局在哪里。", "Excuse me, where can I find the post office?"),
    ("我的房间太小了。", "The room that I was given is too small."),
    ("会议推迟到星期五。", "The meeting has been postponed until Friday."),
    ("是的。", "Yes, it is."),
]


@pytest.mark.parametrize("turned", [False, True])
def test_good_pairs_of_scripts_of_different_length_stay(turned: bool) -> None:
    pairs: list[Pair] = [pair[::-1] for pair in CHINESE] if turned else CHINESE
    bad: list[Pair] = [
        ("好。", "The committee decided to postpone its decision until next spring."),
        ("苹果" * 40, "No."),
    ]
    bad = [pair[::-1] for pair in bad] if turned else bad
    assert sum(len(target) > 4 * len(source) or len(source) > 4 * len(target) for source, target in pairs) >= 4
    kept, cleaning = clean([*pairs, *bad], uneven(4, usual_ratio([*pairs, *bad])))
    assert kept == pairs
    assert cleaning.dropped == {"with sides of very different length (over 4 to 1)": 2}


def test_the_usual_ratio_is_the_median_of_pairs_that_have_two_sides() -> None:
    assert usual_ratio([("ab", "abcd"), ("a", "aaa"), ("a", "a"), ("", "x" * 99), (" ", "x")]) == 2
    assert usual_ratio([("", "a")]) == 1
