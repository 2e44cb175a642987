"""A data room of a run that was just trained: every value again from its file, and what has no source is refused."""

import hashlib
import html
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from chromium import CHROMIUM, unavailable

from companion.__main__ import main
from companion.dataroom import make_dataroom, read_statement
from companion.models import GPT
from companion.stats import proportion_ci
from companion.trust import epsilon

STATEMENT = """
name = "Small model"
purpose = "Writes words; it has {model.parameters} parameters."
not_for = "Decisions about people."
license = "MIT"
contact = "team@example.com"
[[data]]
name = "Words"
source = "made for a test"
license = "CC0"
[[failures]]
text = "Wrong in {evaluations.words.likeliest_choice.not_fully_right} of {evaluations.words.questions} questions."
[cost]
accelerator = "L4"
devices = 1
utilization = 0.3
price = 3_600_000.0
price_source = "a test"
[privacy]
noise_multiplier = 1.1
sampling_rate = 0.01
steps = 1000
delta = 1e-5
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    words = np.random.default_rng(0).choice(["red", "green", "blue", "sun", "moon", "star"], (300, 12))
    (folder / "texts").mkdir()
    for k, line in enumerate(words):
        (folder / f"texts/{k}.txt").write_text(" ".join(line), encoding="utf-8")
    sizes = ["--vocab-size", "270", "--block-size", "16", "--n-layer", "1", "--n-head", "2", "--n-embd", "16"]
    run = ["--steps", "6", "--batch-size", "4", "--eval-every", "3", "--device", "cpu", "--precision", "fp32"]
    assert main(["pretrain", "--text", str(folder / "texts"), "--out", str(folder / "run"), *sizes, *run]) == 0
    (folder / "run/dataroom.toml").write_text(STATEMENT, encoding="utf-8")
    (folder / "run/evaluations").mkdir()
    rows = {"answer": [0, 1, 0, 1, 0], "by_sum": [0, 1, 1, 1, 0], "by_length": [1] * 5, "n_choices": [2] * 5}
    names = {"group": [None] * 5, "model": [str(folder / "run")] * 5, "question": range(5)}
    pd.DataFrame(rows | names).to_csv(folder / "run/evaluations/words.csv", index=False)
    return folder / "run"


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def facts_of(room):
    return {fact["name"]: fact for fact in json.loads((room / "facts.json").read_text(encoding="utf-8"))}


def test_every_value_is_that_of_its_file(run, tmp_path):
    make_dataroom(run, tmp_path / "room", pdf=False)
    facts = facts_of(tmp_path / "room")
    for fact in facts.values():
        assert hashlib.sha256((run / fact["file"]).read_bytes()).hexdigest() == fact["sha256"]
    said = {name: fact["text"] for name, fact in facts.items()}
    model = GPT.from_pretrained(run)
    assert said["model.parameters"] == f"{sum(p.numel() for p in model.parameters()):,}"
    assert said["training.tokens"] == f"{6 * 4 * 16:,}"
    history = pd.read_csv(run / "history.csv")
    assert said["training.loss"] == f"{history['loss'].iloc[-1]:.4f} nats a token"
    assert said["cost.actual"].startswith(f"{history['seconds'].max() * 1_000:,.2f} dollars")  # 1,000 dollars a second
    right = proportion_ci(4, 5)
    assert said["evaluations.words.likeliest_choice"].startswith(f"0.800 (95% interval {right.low:.3f}")
    assert said["evaluations.words.likeliest_choice.not_fully_right"] == "1"
    expected = epsilon(1.1, q=0.01, steps=1_000, delta=1e-5, accountant="rdp")
    assert said["privacy.epsilon"] == f"{expected:.3f} at δ = 1e-05"


def test_the_page_shows_all_facts_and_filled_prose(run, tmp_path):
    sections = make_dataroom(run, tmp_path / "room", pdf=False)
    page = (tmp_path / "room/index.html").read_text(encoding="utf-8")
    shown = html.unescape(page)
    assert all(fact.text in shown for section in sections for fact in section.facts)
    assert "Wrong in 1 of 5 questions." in shown
    assert [s.title for s in sections] == re.findall(r"<h2>(.*?)</h2>", page)[:-1]
    assert not re.search(r"https?://|<script|<link|src=", page)


def test_checksums_fit_and_neither_weights_nor_data_leave(run, tmp_path):
    make_dataroom(run, tmp_path / "room", pdf=False)
    lines = (tmp_path / "room/SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert lines
    for digest, file in (line.split("  ") for line in lines):
        assert hashlib.sha256((tmp_path / "room" / file).read_bytes()).hexdigest() == digest
    left = {path.name for path in (tmp_path / "room").rglob("*") if path.is_file()}
    assert not {name for name in left if name.endswith((".safetensors", ".npy", ".txt"))}


def test_another_models_scores_keep_its_name(run, tmp_path):
    path = run / "evaluations/words.csv"
    pd.read_csv(path).assign(model="smollm2").to_csv(path, index=False)
    statement = STATEMENT.replace("evaluations.words.", "evaluations.words.smollm2.")
    (run / "dataroom.toml").write_text(statement, encoding="utf-8")
    make_dataroom(run, tmp_path / "room", pdf=False)
    assert "evaluations.words.smollm2.likeliest_choice" in facts_of(tmp_path / "room")
    assert "evaluations.words.likeliest_choice" not in facts_of(tmp_path / "room")


def test_without_evaluations_prices_and_privacy_it_says_so(run, tmp_path):
    shutil.rmtree(run / "evaluations")
    bare = re.sub(r"text = .*", 'text = "Unknown."', STATEMENT.partition("[cost]")[0])
    (run / "dataroom.toml").write_text(bare, encoding="utf-8")
    make_dataroom(run, tmp_path / "room", pdf=False)
    page = (tmp_path / "room/index.html").read_text(encoding="utf-8")
    for sentence in (
        "nothing is claimed about how good",
        "no money is counted",
        "nothing bounds what the model may give",
    ):
        assert sentence in page


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Writes words;", "Right in 97% of cases;", "expected every number to have a source, got '97%' in purpose"),
        (
            'a test"\n[privacy]',
            '3 lists"\n[privacy]',
            "expected every number to have a source, got '3' in price_source",
        ),
        ("made for a test", "the 40 best sites", "expected every number to have a source, got '40' in [[data]]"),
        ("{model.parameters}", "{model.size}", "expected a fact (model.parameters"),
        ('license = "MIT"\n', "", "expected a text for license in"),
        ('contact = "team@example.com"', 'contact = ""', "expected a text for contact in"),
        ("[[failures]]\ntext", "[[failure]]\ntext", "got 'failure'"),
        ('[[failures]]\ntext = "', '[cost2]\ntext = "', "got 'cost2'"),
        ('accelerator = "L4"', 'accelerator = "L5"', "expected accelerator of H200"),
        ("devices = 1", "devices = true", "expected a whole number for devices in [cost]"),
        ("steps = 1000\n", "", "expected a whole number for steps in [privacy]"),
        ("noise_multiplier = 1.1", "sigma = 1.1", "got 'sigma'"),
        ("[[data]]", "[[data]", "expected TOML in"),
    ],
)
def test_what_has_no_source_or_place_is_refused_and_nothing_is_left(run, tmp_path, old, new, message):
    assert old in STATEMENT
    (run / "dataroom.toml").write_text(STATEMENT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(message)):
        make_dataroom(run, tmp_path / "room", pdf=False)
    assert not (tmp_path / "room").exists()


@pytest.mark.parametrize("part", ["data", "failures"])
def test_data_and_failures_must_be_named(run, part):
    text = re.sub(rf"\[\[{part}\]\]\n(?:\w+ = .*\n)+", "", STATEMENT)
    (run / "dataroom.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"expected [[{part}]] in")):
        read_statement(run / "dataroom.toml")


def test_folders_that_are_none(run, tmp_path, capsys):
    assert main(["dataroom", str(tmp_path), "--out", str(tmp_path / "room")]) == 2
    assert "expected what only you know of the run in" in capsys.readouterr().err
    (run / "history.csv").unlink()
    assert main(["dataroom", str(run), "--out", str(tmp_path / "room")]) == 2
    assert "expected a run that was trained here, with history.csv" in capsys.readouterr().err
    assert main(["dataroom", str(run), "--out", str(run)]) == 2
    assert "expected a folder that is new or empty" in capsys.readouterr().err


def test_strange_evaluations_are_refused(run, tmp_path):
    (run / "evaluations/other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="expected rows of `companion evaluate --out` in .*other.csv, got no column"):
        make_dataroom(run, tmp_path / "room", pdf=False)


def test_the_command_prints_a_paper(run, tmp_path, capsys):
    if CHROMIUM is None:
        unavailable("no Chromium on this machine")
    assert main(["dataroom", str(run), "--out", str(tmp_path / "room")]) == 0
    assert "index.html, dataroom.pdf" in capsys.readouterr().out
    from pypdf import PdfReader

    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "room/dataroom.pdf").pages)
    assert "Model card" in text
    assert facts_of(tmp_path / "room")["model.parameters"]["text"] in text


def test_without_chromium_it_says_what_to_do(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="install it, or take --no-pdf"):
        make_dataroom(run, tmp_path / "room")
    assert not (tmp_path / "room").exists()
