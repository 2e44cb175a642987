"""Documents, passages and answers: what is found, what is quoted, what is refused."""

import json
import math
import re
import time

import numpy as np
import pytest

from companion.cases.retrieval import Library, Passage, book_passages, book_rule, folder_passages, passages
from companion.models import minilm


@pytest.fixture(scope="module")
def encoder():
    return minilm()


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]})


def test_text_markdown_and_notebooks_are_cut_at_headings(tmp_path):
    (tmp_path / "faq.md").write_text(
        "# Shop\n\nWe open at **nine**.\n\n(label)=\n## Returns\n\nWithin {math}`30` days, see [here](x.html).[^1]\n\n"
        "```{note}\nBring the bill.\n```\n\n[^1]: A note.\n",
        encoding="utf-8",
    )
    (tmp_path / "plain.txt").write_text("# no heading here\n\nAnother paragraph.", encoding="utf-8")
    (tmp_path / "deep").mkdir()
    title, part = ["# Title\n", "\n", "Text."], "## Part\n\nMore."
    cells = [("markdown", title), ("code", "print('never run')"), ("markdown", part)]
    (tmp_path / "deep" / "book.ipynb").write_text(notebook(*cells), encoding="utf-8")
    (tmp_path / ".hidden.md").write_text("secret", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "link.md").symlink_to(tmp_path / ".hidden.md")
    assert folder_passages(tmp_path) == [
        Passage("deep/book.ipynb", "Title", "Title", "Text."),
        Passage("deep/book.ipynb", "Title", "Part", "More."),
        Passage("faq.md", "Shop", "Shop", "We open at nine."),
        Passage("faq.md", "Shop", "Returns", "Within 30 days, see here. Bring the bill."),
        Passage("plain.txt", "plain", "plain", "# no heading here Another paragraph."),
    ]
    assert folder_passages(tmp_path / "plain.txt")[0].source == "plain.txt"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("In {numref}`fig-ens-leak`, stacking fails.", "In the figure, stacking fails."),
        ("{numref}`fig-a` shows it. {numref}`Figure %s <fig-b>` too.", "The figure shows it. The figure too."),
        ("It fell.) {numref}`fig-a` says more ({numref}`fig-b`).", "It fell.) The figure says more (the figure)."),
        ("Marks help {cite:p}`hines2024spotlighting,zou2024poisonedrag`.", "Marks help."),
        ("{cite:t}`hines2024spotlighting` report it.", "Hines (2024) report it."),
        ("See {doc}`../building/evaluation` and {doc}`the server </book/serve>`.", "See evaluation and the server."),
        ("{py:func}`~companion.trust.mask` adds {math}`1/2`.", "mask adds 1/2."),
    ],
)
def test_no_label_gets_into_a_quotation(tmp_path, written, read):
    (tmp_path / "chapter.md").write_text(written, encoding="utf-8")
    assert folder_passages(tmp_path)[0].text == read
    (tmp_path / "chapter.md").write_text("First.\n\n" + written, encoding="utf-8")
    assert folder_passages(tmp_path)[0].text == f"First. {read}"


def test_the_book_s_passages_hold_no_label():
    labels = re.compile(r"\bfig-[a-z]|\b[a-z]{3,}(?:19|20)\d\d[a-z]|\{(?:numref|cite:.|doc)\}")
    assert [each.text for each in book_passages() if labels.search(each.text)] == []


def test_long_paragraphs_are_cut_behind_a_sentence_and_nothing_is_lost(tmp_path):
    sentence = "One two three four five six seven. "
    (tmp_path / "long.txt").write_text(sentence * 100 + "x " * 500, encoding="utf-8")
    found = [passage.text for passage in folder_passages(tmp_path)]
    assert " ".join(found).split() == (sentence * 100 + "x " * 500).split()
    assert max(len(text.split()) for text in found) == passages.PASSAGE_WORDS
    assert all(text.endswith("seven.") for text in found[:5])


def test_control_characters_never_reach_a_terminal(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffsafe \x1b[2J\x07text \u202etxt.exe", encoding="utf-8")
    assert folder_passages(tmp_path)[0].text == "safe [2Jtext txt.exe"


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.txt", b"\xff\xfe\x00", ValueError, "expected UTF-8 text in .*a.txt"),
        ("a.ipynb", b"{", ValueError, "expected a notebook"),
        ("a.ipynb", b"[1]", ValueError, "expected a notebook"),
        ("a.ipynb", b"[" * 100_000, ValueError, "expected a notebook"),
        ("a.md", b"  \n", ValueError, "expected words in the documents"),
        ("a.pdf", b"%PDF", FileNotFoundError, "a folder without one"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path, name, content, error, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        folder_passages(tmp_path)


def test_nowhere_and_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        folder_passages(tmp_path / "nowhere")
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(ValueError, match="save it as text first"):
        folder_passages(tmp_path / "a.pdf")


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("word " * 100, encoding="utf-8")
    monkeypatch.setattr(passages, "MOST_BYTES", 400)
    with pytest.raises(ValueError, match=r"at most 400 bytes of documents, got 500"):
        folder_passages(tmp_path)


def test_the_book_is_read_where_it_is_and_missed_where_it_is_not(tmp_path, monkeypatch):
    found = book_passages()
    assert {"book/building/evaluation.ipynb", "book/foundations/transformers.ipynb"} <= {each.source for each in found}
    assert not {"References", "Exercises", "Goals"} & {each.heading for each in found}
    assert [each.title for each in found if each.heading == each.title] == []  # an opening asks
    monkeypatch.setattr(passages, "__file__", str(tmp_path / "companion" / "cases" / "retrieval" / "passages.py"))
    with pytest.raises(FileNotFoundError, match="pip installs the package without the book; run this in a clone"):
        book_passages()


def test_an_answer_is_a_sentence_of_the_document(encoder):
    text = "We open at nine. Goods come back within 30 days. Postage is ours."
    library = Library(
        [Passage("faq.md", "FAQ", "Returns", text), Passage("faq.md", "FAQ", "Hours", "Sunday is closed.")],
        encoder=encoder,
    )
    answer = library.ask("How many days do I have to bring goods back?", threshold=0.5)
    assert answer.known
    assert answer.quote == "Goods come back within 30 days."
    assert answer.passage == library.passages[0]
    assert not library.ask("How many days do I have to bring goods back?", threshold=2.0).known
    unknown = library.ask("Wer schrieb Faust?")
    assert (unknown.known, unknown.passage, unknown.quote) == (False, None, "")


def test_a_question_is_not_answered_by_a_question(encoder):
    text = "How many days are there to bring goods back? Thirty are. Ask us (why not?)"
    answer = Library([Passage("faq.md", "FAQ", "Returns", text)], encoder=encoder).ask("How many days are there?")
    assert answer.quote == "Thirty are."
    only = Library([Passage("faq.md", "FAQ", "Returns", "How many days are there?")], encoder=encoder)
    assert only.ask("How many days are there?").quote == "How many days are there?"


def test_the_fit_is_cosine_and_coverage(encoder):
    library = Library([Passage("a", "t", "h", "alpha beta"), Passage("a", "t", "h", "gamma")], encoder=encoder)
    question = "alpha gamma delta"
    from companion.cases.retrieval import BM25, DenseIndex

    index = BM25(["t h alpha beta", "t h gamma"])
    cosine = DenseIndex(["h: alpha beta", "h: gamma"], encoder).scores(question)
    fits = cosine + index.scores(question) / index.most(question)
    answer = library.ask(question, threshold=0)
    assert answer.fit == pytest.approx(fits.max(), abs=1e-5)
    assert answer.passage == library.passages[int(fits.argmax())]


@pytest.mark.parametrize("question", ["", " ?! ", "word " * 201])
def test_questions_without_words_or_without_end_are_refused(encoder, question):
    with pytest.raises(ValueError, match="expected a question of some words and at most 1,000 letters"):
        Library([Passage("a", "a", "a", "text")], encoder=encoder).ask(question)


def test_calibration_counts_sources(encoder):
    names = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    library = Library([Passage(f"{name}.txt", name, name, f"About {name}.") for name in names], encoder=encoder)
    asked = [(f"What about {name}?", f"{name}.txt") for name in names]
    rule = library.calibrate(asked, risk=0.05)
    assert (rule.n, rule.n_answered, rule.threshold) == (20, 20, -math.inf)
    rule = library.calibrate([*asked[1:], (asked[0][0], None)], risk=0.05)
    assert rule.n_wrong == 0
    assert rule.n_answered < 20
    with pytest.raises(ValueError, match="expected sources among the documents"):
        library.calibrate([("What?", "nowhere.txt")])


def test_the_books_rule_is_a_promise_of_a_twentieth():
    rule = book_rule()
    assert (rule.risk, rule.of, rule.n) == (0.05, "all", 120)
    assert (rule.n_wrong + 1) / (rule.n + 1) <= rule.risk
    assert rule.n_answered > rule.n / 3


def test_a_document_of_a_million_words_is_asked_in_seconds(tmp_path, encoder):
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i}" for i in range(5_000)])
    text = " ".join(rng.choice(vocabulary, 1_000_000))
    hidden = f"{text[:3_000_000]} The harbor master is Olga. {text[3_000_000:]}"
    (tmp_path / "long.txt").write_text(hidden, encoding="utf-8")
    started = time.process_time()
    library = Library(folder_passages(tmp_path), encoder=encoder)
    answer = library.ask("Who is the harbor master?", threshold=0)
    assert "The harbor master is Olga." in answer.passage.text
    assert time.process_time() - started < 30
