"""Word problems are solved from their text, worked out by hand here."""

from __future__ import annotations

from random import Random

import pytest

from seq2seq_env.tasks.arithmetic.problems import MOST, draw_problem, is_right, solve

PROBLEM = (
    "Anna has 14 apples. Ben gives Anna 3 more. Anna loses 2 bags with 4 in each. Anna gets 5 times as many as before. "
    "Anna shares them among 3 friends and keeps one share. How many apples does Anna have now?"
)


def test_a_problem_is_worked_out_step_by_step() -> None:
    solution = solve(PROBLEM)
    assert solution.equations == ("14 + 3 = 17", "2 * 4 = 8", "17 - 8 = 9", "9 * 5 = 45", "45 / 3 = 15")
    assert solution.text == "14 + 3 = 17; 2 * 4 = 8; 17 - 8 = 9; 9 * 5 = 45; 45 / 3 = 15; answer 15"


def test_what_is_drawn_is_read_again_and_its_equations_hold() -> None:
    random, written = Random(0), ""
    for _ in range(300):
        problem = draw_problem(random, random.randint(1, 4))
        solution = solve(problem)
        for equation in solution.equations:
            left, right = equation.split(" = ")
            assert eval(left) == int(right)
            assert 1 <= int(right) <= MOST
        assert solution.answer == int(solution.equations[-1].partition(" = ")[2])
        written += problem
    words = ("buys", "gives", "more.", "loses", "of them to", "bags", "times as many", "shares")
    assert all(word in written for word in words)


@pytest.mark.parametrize(
    ("hypothesis", "right"),
    [
        ("14 + 3 = 17; answer 15", True),
        ("answer 15", True),
        ("The answer is 15. ", True),
        ("Answer: 15", True),
        ("answer: 15", True),
        ("answer 15; answer 16", False),
        ("15", False),
        ("answer 150", False),
        ("answer 15 apples", False),
        ("", False),
    ],
)
def test_the_answer_at_the_end_decides(hypothesis: str, right: bool) -> None:
    assert is_right(PROBLEM, hypothesis) is right


@pytest.mark.parametrize(
    "text",
    [
        "Das Haus ist rot.",
        "Anna has 14 apples.",
        PROBLEM.replace("among 3", "among 4"),  # which leaves a remainder
        PROBLEM.replace("Ben gives", "Ben sells"),
        PROBLEM.replace("does Anna", "does Ben"),  # of whom nothing is said
        PROBLEM.replace("Anna loses", "Ben loses"),
        PROBLEM.replace("Ben gives Anna", "Anna gives Anna"),
        PROBLEM.replace("How many apples", "How many pears"),
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no problem of the task arithmetic; score sources of that task"):
        solve(text)
