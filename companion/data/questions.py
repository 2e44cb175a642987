"""Questions whose answers are known: to choose from, or to write. Evaluations read them from JSON lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from companion.data.checks import refuse_bare_text
from companion.data.json_lines import Record, json_lines, texts_of


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question with answers to choose from.

    Attributes:
        question: the text, as the model is to read it.
        choices: at least two different answers.
        answer: place of the right one, from 0.
        group: what questions have in common that are alike (a passage, a template), for intervals; None for none.

    Raises:
        ValueError: for fewer than two different choices, an empty one, or an answer that is none of them.

    Example:
        >>> ChoiceQuestion("The capital of France is", ["Paris", "Rome"], answer=0).choices
        ('Paris', 'Rome')
    """

    question: str
    choices: Sequence[str]
    answer: int
    group: str | None = None

    def __post_init__(self) -> None:
        refuse_bare_text("choices", self.choices)
        object.__setattr__(self, "choices", tuple(self.choices))
        if len(set(self.choices)) != len(self.choices) or len(self.choices) < 2 or not all(self.choices):
            raise ValueError(f"expected at least two different choices with some text, got {list(self.choices)}")
        if (
            isinstance(self.answer, bool)
            or not isinstance(self.answer, int)
            or not 0 <= self.answer < len(self.choices)
        ):
            raise ValueError(f"expected answer from 0 to {len(self.choices) - 1}, got {self.answer!r}")


@dataclass(frozen=True)
class OpenQuestion:
    """A question to answer in one's own words.

    Attributes:
        question: the text, as the model is to read it.
        answers: at least one; each of them is right.
        group: what questions have in common that are alike (a passage, a template), for intervals; None for none.

    Raises:
        ValueError: for no answer, or an empty one.

    Example:
        >>> OpenQuestion("Who wrote Hamlet?", ["Shakespeare", "William Shakespeare"]).answers[0]
        'Shakespeare'
    """

    question: str
    answers: Sequence[str]
    group: str | None = None

    def __post_init__(self) -> None:
        refuse_bare_text("answers", self.answers)
        object.__setattr__(self, "answers", tuple(self.answers))
        if not self.answers or not all(isinstance(text, str) and text.strip() for text in self.answers):
            raise ValueError(f"expected at least one answer with some text, got {list(self.answers)}")


def read_questions(path: str | Path) -> list[ChoiceQuestion] | list[OpenQuestion]:
    """The questions of a file of JSON lines, all of one kind.

    A line is ``{"question": …, "choices": [… , …], "answer": …}`` with the right choice or its place from 0, or
    ``{"question": …, "answers": [… , …]}`` where any of the answers is right (``"answer": …`` for a single one). A
    field ``"group"`` names what questions share that are alike; either all lines have it or none.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: naming the line, where it is no such question; for kinds that are mixed, groups that only some have,
            or an empty file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "questions.jsonl"
        >>> _ = path.write_text('{"question": "2 + 2 =", "choices": ["4", "5"], "answer": "4"}\\n')
        >>> read_questions(path)
        [ChoiceQuestion(question='2 + 2 =', choices=('4', '5'), answer=0, group=None)]
    """
    found = [_question(record, place) for place, record in json_lines(path)]
    if not found:
        raise ValueError(f"expected a file with a question a line, got {path}, which is empty")
    if len({question.group is None for question in found}) > 1:
        raise ValueError(f"expected a group in all questions of {path} or in none, got some with and some without")
    choices = [question for question in found if isinstance(question, ChoiceQuestion)]
    open_ones = [question for question in found if isinstance(question, OpenQuestion)]
    if choices and open_ones:
        got = f"{len(choices)} with choices and {len(open_ones)} without"
        raise ValueError(f"expected questions of one kind in {path}, got {got}: make two files")
    return choices or open_ones


def _question(record: Record, place: str) -> ChoiceQuestion | OpenQuestion:
    [text] = texts_of(record, place, "question")
    [group] = texts_of(record, place, "group") if record.get("group") is not None else [None]
    choices = record.get("choices")
    try:
        if choices is None:
            answers = record["answers"] if "answers" in record else texts_of(record, place, "answer")
            return OpenQuestion(text, _texts("answers", answers), group)
        choices, answer = _texts("choices", choices), record.get("answer")
        return ChoiceQuestion(text, choices, choices.index(answer) if answer in choices else answer, group)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{error} (in {place})") from error


def _texts(name: str, values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected {name} as a list of texts, got {values!r}")
    return values
