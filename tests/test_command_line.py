import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from companion.__main__ import main
from companion.models import GPT

SMALL = "--vocab-size 300 --block-size 16 --n-layer 1 --n-head 2 --n-embd 16 --batch-size 4 --warmup-steps 2"


@pytest.fixture
def zoo(tmp_path, monkeypatch, cache):
    """An installed package with a little text, so that a run takes no time."""
    root = tmp_path / "site" / "wordyzoo"
    root.mkdir(parents=True)
    for i in range(30):
        (root / f"m{i}.py").write_text(
            f'"""The animal number {i} eats hay, and number {i + 1} eats what number {i} left."""'
        )
    (root / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(root.parent))
    monkeypatch.syspath_prepend(root.parent)
    return "wordyzoo"


def pretrain(zoo, out, *more):
    return [
        "pretrain",
        "--out",
        str(out),
        "--packages",
        zoo,
        "--precision",
        "fp32",
        "--device",
        "cpu",
        *SMALL.split(),
        *more,
    ]


def test_pretrain_then_generate(zoo, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(pretrain(zoo, run, "--steps", "8", "--eval-every", "4", "--checkpoint-every", "4")) == 0
    printed = capsys.readouterr().out
    for word in ("training and", "parameters on cpu", "asked for", "step 8: loss", "gpt ", "trigram", "95% interval"):
        assert word in printed
    history = pd.read_csv(run / "history.csv", index_col="step")
    assert list(history["validation_loss"].dropna().index) == [4, 8]
    assert GPT.from_pretrained(run).config.vocab_size == 300
    generate = ["generate", "--model", str(run), "--prompt", "The animal", "--max-new-tokens", "40", "--seed", "1"]
    assert main(generate) == 0
    first = capsys.readouterr().out
    assert first.startswith("The animal")
    assert main(generate) == 0
    assert capsys.readouterr().out == first
    assert main(["generate", "--model", str(run), "--prompt", "The animal eats hay. " * 20]) == 2
    assert "at most block_size=16 tokens" in capsys.readouterr().err  # a prompt is never cut without a word


def test_a_run_goes_on_in_its_folder_and_no_other_fits_in(zoo, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(pretrain(zoo, run, "--steps", "8")) == 0
    first = capsys.readouterr().out
    assert main(pretrain(zoo, run, "--steps", "8")) == 0
    assert capsys.readouterr().out.splitlines()[2:] == first.splitlines()[3:]  # all but the reading of the corpus
    assert main(pretrain(zoo, run, "--steps", "8", "--vocab-size", "290")) == 2
    assert "error: expected a corpus made with" in capsys.readouterr().err
    assert main(pretrain(zoo, run, "--steps", "8", "--lr", "0.5")) == 2
    assert "which has lr=0.002, got another configuration" in capsys.readouterr().err


def test_ctrl_c_keeps_a_checkpoint_and_the_same_command_goes_on(zoo, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "companion", *pretrain(zoo, run, "--steps", "1000000", "--checkpoint-every", "20")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 120
    while not list(run.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("interrupted: stopped after step ")
    assert "Traceback" not in errors
    step = int(errors.split("stopped after step ")[1].split(";")[0])
    assert (run / "checkpoints" / f"step-{step:08d}" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "--model", "nowhere"], "expected a model's config in nowhere"),
        (["pretrain", "--out", "run", "--packages", "no_such_package"], "got 'no_such_package'"),
        (
            ["pretrain", "--out", "run", "--packages", "wordyzoo", *SMALL.split(), "--n-head", "3"],
            "n_embd=16 and n_head=3",
        ),
    ],
)
def test_what_a_user_can_put_right_is_one_line(zoo, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("command", ["pretrain", "generate"])
def test_help_explains_units(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert "tokens" in capsys.readouterr().out
