"""Questions that people wrote, with answers that people gave, and sentences that people rated: small extracts."""

from pathlib import Path

import pandas as pd

from companion.checks import check_one_of
from companion.data.questions import ChoiceQuestion, OpenQuestion, read_questions

#: Sets of :func:`benchmark_questions`: what is asked, and how many.
BENCHMARKS = {
    "addition": "sums of two digits, 100",
    "general_knowledge": "facts that most people know, 69",
    "intents": "what a user wants a voice assistant to do, of seven, 280",
    "odd_one_out": "the word that does not belong to the others, 86",
    "preferences": "which of two replies people preferred, 100",
    "squad": "questions on 60 paragraphs, five each, in one's own words",
}

_EXTRACTS = Path(__file__).parent / "extracts"


def benchmark_questions(name: str) -> list[ChoiceQuestion] | list[OpenQuestion]:
    """The questions of one of the sets of :data:`BENCHMARKS`.

    In ``squad`` a question stands behind its paragraph, after a line break, and the paragraph is its ``group``; each
    has three answers or more, given by different people. In ``preferences`` the question is what a user wrote, and the
    group the kind of request. All have been public for years: a model may have read them.

    Raises:
        ValueError: for another name.

    Source:
        BIG-bench (Srivastava et al. 2022, arXiv:2206.04615; Apache-2.0), the tasks ``arithmetic``,
        ``general_knowledge``, ``intent_recognition``, ``odd_one_out`` and ``hhh_alignment`` (Askell et al. 2021,
        arXiv:2112.00861); SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250; CC BY-SA 4.0). Which questions were taken
        stands beside the files.

    Example:
        >>> question = benchmark_questions("general_knowledge")[0]
        >>> question.question, question.choices[question.answer]
        ('How many legs do horses have?', 'four')
        >>> len(benchmark_questions("squad")[0].answers)
        3
    """
    check_one_of("name", name, tuple(BENCHMARKS))
    return read_questions(_EXTRACTS / "questions" / f"{name}.jsonl")


def rated_sentences() -> pd.DataFrame:
    """3,708 sentences of 300 reviews of five products, each rated by 20 people from -4 (negative) to 4 (positive).

    Columns: ``review``, a number; ``text``; and ``ratings``, a tuple of 20 whole numbers, which are of different people
    from sentence to sentence.

    Source:
        Hutto and Gilbert 2014, "VADER: a parsimonious rule-based model for sentiment analysis of social media text",
        ICWSM (MIT); the reviews are those of Hu and Liu 2004.

    Example:
        >>> sentences = rated_sentences()
        >>> len(sentences), sentences["text"][8]
        (3708, 'the i/p button switches the tv display between interlace and progressive.')
    """
    table = pd.read_csv(_EXTRACTS / "reviews" / "sentences.csv.gz")
    return table.assign(ratings=[tuple(map(int, row.split())) for row in table["ratings"]])
