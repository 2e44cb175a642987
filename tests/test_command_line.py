import json
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
    words = "on cpu, computing in torch.float32 (asked for)", "parameters; expected", "of what was expected"
    for word in (*words, "training and", "step 8: loss", "gpt ", "trigram", "95% interval"):
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
    again = capsys.readouterr().out
    assert "reading the docstrings" in first
    assert "reading the docstrings" not in again
    assert (
        again.partition("step 8")[2].partition("\nit took")[0] == first.partition("step 8")[2].partition("\nit took")[0]
    )
    assert again.partition("bits per byte")[2] == first.partition("bits per byte")[2]
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


def test_a_recipe_says_what_is_not_typed(zoo, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    sizes = "block_size = 16\nn_layer = 1\nn_head = 2\nn_embd = 16\nnorm = 'rms'\n"
    training = "steps = 5\nbatch_size = 4\nwarmup_steps = 2\nema_decay = 0.5\nprecision = 'fp32'\nlr = 0.1\n"
    data = f"packages = ['{zoo}']\nvocab_size = 300\n"
    recipe.write_text(f"[data]\n{data}[model]\n{sizes}[train]\n{training}")
    run = tmp_path / "run"
    assert main(["pretrain", "--recipe", str(recipe), "--out", str(run), "--lr", "0.01", "--device", "cpu"]) == 0
    assert "step 5: loss" in capsys.readouterr().out
    assert (run / "recipe.toml").read_text() == recipe.read_text()
    told = json.loads((run / "checkpoints" / "config.json").read_text())
    assert (told["lr"], told["ema_decay"], told["steps"]) == (0.01, 0.5, 5)
    assert {"environment.json", "log.jsonl"} <= {path.name for path in (run / "checkpoints").iterdir()}


def test_torchrun_trains_one_model_in_two_processes(zoo, tmp_path):
    run = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "companion"]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[train]\nparallel = "fsdp"\noptimizer = "adamw"\n')
    done = subprocess.run(
        [*launcher, *pretrain(zoo, run, "--steps", "4", "--recipe", str(recipe), "--optimizer", "adamw")],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.count("step 4: loss") == 1  # one process speaks for both
    assert GPT.from_pretrained(run).config.vocab_size == 300


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
