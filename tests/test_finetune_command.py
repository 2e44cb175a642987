"""``python -m companion finetune``: adapters from rows, a run that is killed, what is refused."""

import json
import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from safetensors.torch import load_file
from small_chat import write_chat_model

from companion.__main__ import main
from companion.finetune import hold_out, read_conversations

ROWS = [{"prompt": f"say {word}", "answer": f"{word} and {word}"} for word in "abcdefghijklmnopqrstuvwxyz"]
SMALL = "--steps 12 --batch-size 4 --lr 0.02 --checkpoint-every 3 --eval-every 6 --precision fp32 --device cpu --r 4"
KILLED = """
import os, signal, sys
from companion import training
from companion.__main__ import main
fit = training.fit
def dying(*arguments, watch, **options):
    def dies(row):
        watch(row)
        if row["step"] == 8:
            os.kill(os.getpid(), signal.SIGKILL)
    return fit(*arguments, watch=dies, **options)
training.fit = dying
main(sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path):
    return write_chat_model(tmp_path / "model")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def command(rows, folder, out, *more):
    typed = ["finetune", "--data", rows, "--model", folder, "--out", str(out), *SMALL.split()]
    return [*typed, "--target-modules", "q_proj", "v_proj", "up_proj", "down_proj", *more]


def test_a_run_that_is_killed_goes_on_to_the_same_adapters_to_the_bit(rows, folder, tmp_path, capsys):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(rows, folder, whole)) == 0
    printed = capsys.readouterr().out
    before, after = map(float, re.search(r"cost ([\d.]+) nats a token before, ([\d.]+) now", printed).groups())
    assert after < 0.8 * before
    assert "23 conversations to train on, 3 to validate; 736 numbers move" in printed
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *command(rows, folder, killed)], capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert sorted(path.name for path in (killed / "checkpoints").glob("step-*")) == ["step-00000006"]
    assert not (killed / "adapter_model.safetensors").exists()
    assert main(command(rows, folder, killed)) == 0
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    losses = [pd.read_csv(out / "history.csv")["loss"].tolist() for out in (whole, killed)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12
    base = json.loads((whole / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert base == folder
    assert load_file(whole / "adapter_model.safetensors")[
        "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
    ].any()
    capsys.readouterr()
    assert (
        main(["chat", "--model", str(whole), "--temperature", "0", "--prompt", "say c", "--max-new-tokens", "9"]) == 0
    )
    tuned = capsys.readouterr().out
    assert main(["chat", "--model", folder, "--temperature", "0", "--prompt", "say c", "--max-new-tokens", "9"]) == 0
    assert capsys.readouterr().out != tuned


def test_questions_on_both_sides_are_said(rows, folder, tmp_path, capsys):
    validation = tmp_path / "validation.jsonl"
    asked = ["Say  a", "say 7", "say b"]
    validation.write_text("".join(json.dumps({"prompt": text, "answer": "a"}) + "\n" for text in asked))
    out, once = tmp_path / "out", ["--steps", "1", "--eval-every", "0"]
    assert main(command(rows, folder, out, "--validation", str(validation), *once)) == 0
    assert "of those to validate, 2 ask what was trained on" in capsys.readouterr().out
    assert main(command(rows, folder, tmp_path / "other", *once)) == 0
    assert "ask what was trained on" not in capsys.readouterr().out


def test_a_folder_of_something_else_is_left_alone(rows, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(rows, folder, out, "--steps", "1")) == 0
    other = write_chat_model(tmp_path / "other", seed=1)
    for model, place, message in (
        (other, out, f"expected --model {folder}, with which the run in .* began, got {other}"),
        (folder, tmp_path, "expected an empty or new folder for --out, or that of a run"),
        (folder, rows, "expected --out to be a folder, got the file"),
    ):
        capsys.readouterr()
        assert main(command(rows, model, place)) == 2
        assert re.fullmatch(f"error: {message}.*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("lines", "more", "message"),
    [
        ([], [], "which is empty"),
        ([{"prompt": "a"}], [], r"field 'answer' in .*rows\.jsonl:1"),
        ([{"messages": [{"role": "boss", "content": "a"}]}], [], r"role in .*rows\.jsonl:1"),
        (ROWS[:1], [], "at least two different questions to hold one out, got 1"),
        ([*ROWS, {"prompt": "a", "answer": "b" * 300}], [], "conversations of at most 256 tokens, got 30"),
        (ROWS, ["--target-modules", "nonsense"], "target_modules among .*, got nonsense"),
        (ROWS, ["--r", "0"], "r to be a positive integer, got 0"),
        (ROWS, ["--validation", "nowhere.jsonl"], "JSON lines in nowhere.jsonl, got no such file"),
        (ROWS, ["--model", "nowhere"], "a model's config in nowhere"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(rows, folder, tmp_path, monkeypatch, capsys, lines, more, message):
    monkeypatch.chdir(tmp_path)
    with open(rows, "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    assert main(command(rows, folder, tmp_path / "out", *more)) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert re.search(message, errors)
    assert not (tmp_path / "out").exists()


def test_the_same_question_is_on_one_side(rows):
    chats = read_conversations(rows) * 3
    train, validation = hold_out(chats)
    asked = [{chat[0]["content"] for chat in side} for side in (train, validation)]
    assert len(train) + len(validation) == 78
    assert (len(asked[1]), asked[0] & asked[1]) == (3, set())
    assert hold_out(chats[:26])[1] == validation[:3]
    assert hold_out(chats, seed=1)[1] != validation
