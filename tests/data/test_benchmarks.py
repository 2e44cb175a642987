"""companion.data.benchmarks: extracts that are whole, and what a rater's agreement with all was printed as."""

from collections import Counter

import numpy as np
import pytest

from companion.data import BENCHMARKS, OpenQuestion, benchmark_questions, rated_sentences

SIZES = {"addition": 100, "general_knowledge": 69, "intents": 280, "odd_one_out": 86, "preferences": 100, "squad": 300}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_sets_have_their_sizes_and_no_question_twice(name):
    questions = benchmark_questions(name)
    assert len(questions) == SIZES[name]
    asked = [(question.question, getattr(question, "choices", ())) for question in questions]
    assert len(set(asked)) == len(asked)


def test_sums_are_right():
    for question in benchmark_questions("addition"):
        _, _, one, _, two = question.question.rstrip("?").split()
        assert int(question.choices[question.answer]) == int(one) + int(two)


def test_intents_are_balanced_and_paragraphs_have_five_questions():
    intents = benchmark_questions("intents")
    assert set(Counter(question.choices[question.answer] for question in intents).values()) == {40}
    squad = benchmark_questions("squad")
    assert all(isinstance(question, OpenQuestion) and len(question.answers) >= 3 for question in squad)
    assert set(Counter(question.group for question in squad).values()) == {5}
    assert all(question.answers[0] in question.question for question in squad)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="expected name to be one of"):
        benchmark_questions("trivia")


def test_one_rater_agrees_with_all_as_printed():
    """Hutto and Gilbert 2014, table 4: 0.911 for individual humans on product reviews."""
    sentences = rated_sentences()
    ratings = np.array(sentences["ratings"].tolist())
    assert ratings.shape == (3_708, 20)
    assert (ratings.min(), ratings.max(), sentences["review"].nunique()) == (-4, 4, 300)
    r = np.corrcoef(ratings.ravel(), np.repeat(ratings.mean(1), 20))[0, 1]
    assert r == pytest.approx(0.911, abs=5e-4)
