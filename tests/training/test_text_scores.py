"""Exact match and F1: against the lines of SQuAD's official program, and values worked out by hand."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.training import answer_f1, exact_match, normalize_answer

WORDS = st.lists(st.sampled_from(["a", "the", "An", "Paris", "paris.", "in", "is", "is", "Eiffel-Tower", "“", "!", ""]))


def official_normalization(s):
    """``normalize_answer`` of evaluate-v1.1.py, https://rajpurkar.github.io/SQuAD-explorer/."""

    def remove_articles(text):
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def official_f1(prediction, ground_truth):
    """``f1_score`` of evaluate-v1.1.py, and where no words are left ``compute_f1`` of evaluate-v2.0.py."""
    prediction_tokens = official_normalization(prediction).split()
    ground_truth_tokens = official_normalization(ground_truth).split()
    if len(ground_truth_tokens) == 0 or len(prediction_tokens) == 0:
        return int(ground_truth_tokens == prediction_tokens)
    common = Counter(prediction_tokens) & Counter(ground_truth_tokens)
    num_same = sum(common.values())
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(prediction_tokens)
    recall = 1.0 * num_same / len(ground_truth_tokens)
    return (2 * precision * recall) / (precision + recall)


@given(
    prediction=WORDS, answers=st.lists(WORDS, min_size=1, max_size=3), glue=st.sampled_from([" ", "  ", "\n", "\t "])
)
def test_scores_are_those_of_the_official_program(prediction, answers, glue):
    prediction, answers = glue.join(prediction), [glue.join(words) for words in answers]
    assert normalize_answer(prediction) == official_normalization(prediction)
    assert exact_match(prediction, answers) == max(
        official_normalization(prediction) == official_normalization(answer) for answer in answers
    )
    assert answer_f1(prediction, answers) == pytest.approx(max(official_f1(prediction, answer) for answer in answers))


@given(st.text())
def test_any_text_is_normalized_as_officially(text):
    assert normalize_answer(text) == official_normalization(text)
    assert exact_match(text, [text]) == answer_f1(text, [text]) == 1


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The Norman conquest, of England", ["norman conquest of england"], 1, 1),
        ("Denver Broncos won", ["Denver Broncos", "The Broncos"], 0, 4 / 5),  # P = 2/3, R = 1
        ("to be to be", ["to be or not to be"], 0, 4 / 5),  # each word as often as it comes: P = 1, R = 4/6
        ("Rome", ["Paris", "London"], 0, 0),
        ("", ["Paris"], 0, 0),
        ("the", ["a"], 1, 1),
    ],
)
def test_scores_worked_out_by_hand(prediction, answers, exact, f1):
    assert exact_match(prediction, answers) == exact
    assert answer_f1(prediction, answers) == pytest.approx(f1)


def test_no_answers_are_refused():
    for score in (exact_match, answer_f1):
        with pytest.raises(ValueError, match="at least one answer that is right, got none"):
            score("Paris", [])
        with pytest.raises(ValueError, match="expected answers as a list of texts, got one str"):
            score("Paris", "Paris")
