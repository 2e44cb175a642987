"""Facts name their file and its checksum; prose has no number of its own."""

import hashlib
import re

import pytest

from companion.dataroom import Facts


@pytest.fixture
def facts(tmp_path):
    (tmp_path / "history.csv").write_text("step\n3\n")
    found = Facts(tmp_path)
    found.add("training.steps", "1,003", "history.csv")
    return found


def test_a_fact_has_the_checksum_of_its_file(facts, tmp_path):
    digest = hashlib.sha256((tmp_path / "history.csv").read_bytes()).hexdigest()
    assert facts["training.steps"].sha256 == digest
    assert facts.files == {"history.csv": digest}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("After {training.steps} steps.", "After 1,003 steps."),
        ("{training.steps}, {training.steps}", "1,003, 1,003"),
        ("Like GPT-2 on an H100, version v0.1, since 2026-11-26.",) * 2,
        ("No number at all.",) * 2,
    ],
)
def test_prose_is_filled(facts, text, filled):
    assert facts.filled(text, "purpose") == filled


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("97% right", "97%"),
        ("about 1,000 rows", "1,000"),
        ("3 kinds", "3"),
        ("-0.5 points", "-0.5"),
        ("in 2026", "2026"),
        ("a score (0.9)", "0.9"),
    ],
)
def test_a_number_without_a_source_is_refused(facts, text, number):
    with pytest.raises(
        ValueError, match=re.escape(f"expected every number to have a source, got {number!r} in purpose")
    ):
        facts.filled(text, "purpose")


def test_unknown_facts_and_files_are_refused(facts):
    with pytest.raises(ValueError, match=re.escape("expected a fact (training.steps) in purpose, got {training.step}")):
        facts.filled("{training.step}", "purpose")
    with pytest.raises(FileNotFoundError, match="expected the source of x in"):
        facts.add("x", "1", "missing.csv")
    with pytest.raises(ValueError, match="expected one fact of each name, got training.steps twice"):
        facts.add("training.steps", "2", "history.csv")
