import argparse
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from gguf_files import write
from tokenizers import pre_tokenizers

from companion import training
from companion.__main__ import _parser, main
from companion.commands.options import described
from companion.commands.settings import config_of, settings_of
from companion.models import GPT, ChatTokenizer, GPTConfig
from companion.training import TrainConfig, read_recipe
from companion.training.recipe import CONFIGS

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
    words = "on cpu, computing in torch.float32 (asked for)", "parameters; expected", "expected of the steps alone"
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
    assert "which has lr=0.002, got lr=0.5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "interrupted: stopped after step "), (signal.SIGTERM, 143, "SIGTERM: stopped after step ")],
)
def test_a_run_that_is_told_to_stop_keeps_a_checkpoint(zoo, tmp_path, interruptible, number, code, words):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "companion", *pretrain(zoo, run, "--steps", "1000000", "--checkpoint-every", "20")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        try:
            deadline = time.monotonic() + 300
            while not list(run.glob("checkpoints/step-*")):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(number)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()  # does nothing to one that has ended
    assert process.returncode == code
    assert errors.startswith(words)
    assert "Traceback" not in errors
    step = int(re.search(r"stopped after step (\d+)", errors)[1])
    assert (run / "checkpoints" / f"step-{step:08d}" / "model.safetensors").is_file()
    assert read_recipe(run / "recipe.toml")["checkpoint_every"] == 20


def write_tiny(path, zoo, **train):
    """A recipe of a tiny model."""
    sizes = "block_size = 16\nn_layer = 1\nn_head = 2\nn_embd = 16\nnorm = 'rms'\n"
    settings = {
        "steps": 5,
        "batch_size": 4,
        "warmup_steps": 2,
        "lr": 0.1,
        "device": "'cpu'",
        "precision": "'fp32'",
    } | train
    training = "".join(f"{name} = {value}\n" for name, value in settings.items())
    path.write_text(f"[data]\npackages = ['{zoo}']\nvocab_size = 300\n[model]\n{sizes}[train]\n{training}")
    return str(path)


def kept(folder):
    """All files of a folder and what they hold, but for locks."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "lock" not in path.name}


def test_a_recipe_says_what_is_not_typed(zoo, tmp_path, capsys):
    recipe, run = write_tiny(tmp_path / "recipe.toml", zoo, ema_decay=0.5, betas=[0.8, 0.99]), tmp_path / "run"
    typed = ["--lr", "0.01", "--dropout", "0.1", "--bias", "--micro-batch-size", "2"]
    assert main(["pretrain", "--recipe", recipe, "--out", str(run), *typed]) == 0
    assert "step 5: loss" in capsys.readouterr().out
    used = read_recipe(run / "recipe.toml")
    assert used == used | read_recipe(recipe) | {"lr": 0.01, "dropout": 0.1, "bias": True, "micro_batch_size": 2}
    told = json.loads((run / "checkpoints" / "config.json").read_text())
    assert (told["lr"], told["ema_decay"], told["steps"], told["betas"]) == (0.01, 0.5, 5, [0.8, 0.99])
    assert {"environment.json", "log.jsonl"} <= {path.name for path in (run / "checkpoints").iterdir()}


def test_a_saved_recipe_repeats_its_run_to_the_bit(zoo, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    typed = [
        "--seed",
        "3",
        "--lr",
        "0.0123",
        "--n-head",
        "4",
        "--no-tied",
        "--dropout",
        "0.1",
        "--schedule",
        "constant",
    ]
    recipe = write_tiny(tmp_path / "recipe.toml", zoo)
    assert main(["pretrain", "--recipe", recipe, "--out", str(first), *typed]) == 0
    assert main(["pretrain", "--recipe", str(first / "recipe.toml"), "--out", str(second)]) == 0
    for name in ("model.safetensors", "tokenizer.json", "recipe.toml"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert main(["pretrain", "--recipe", str(first / "recipe.toml"), "--out", str(first)]) == 0  # it goes on in place
    assert capsys.readouterr().err == ""


def test_a_refused_run_leaves_its_folder_as_it_was(zoo, tmp_path, capsys):
    recipe, run = write_tiny(tmp_path / "recipe.toml", zoo), tmp_path / "run"
    assert main(["pretrain", "--recipe", recipe, "--out", str(run)]) == 0
    before = kept(run)
    for typed in (["--n-head", "4"], ["--norm", "layer"], ["--dropout", "0.2"], ["--lr", "0.5"], ["--n-head", "3"],
                  ["--vocab-size", "301"], ["--seed", "1"]):  # fmt: skip
        capsys.readouterr()
        assert main(["pretrain", "--recipe", recipe, "--out", str(run), *typed]) == 2, typed
        errors = capsys.readouterr().err
        assert errors.startswith("error: expected "), errors
        assert errors.count("\n") == 1, errors
        assert kept(run) == before, typed


def test_a_run_alone_goes_on_as_its_recipe_says_and_to_more_steps(zoo, tmp_path, capsys):
    recipe, run = write_tiny(tmp_path / "recipe.toml", zoo), tmp_path / "run"
    assert main(["pretrain", "--recipe", recipe, "--out", str(run), "--n-head", "4"]) == 0
    assert main(["pretrain", "--out", str(run), "--steps", "7"]) == 0
    assert "step 7: loss" in capsys.readouterr().out
    assert read_recipe(run / "recipe.toml")["steps"] == 7
    assert GPT.from_pretrained(run).config.n_head == 4


def test_a_folder_that_is_no_run_is_left_alone(zoo, tmp_path, capsys):
    model = tmp_path / "downloaded"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "corpus").mkdir()  # by this name, but not by our command
    assert main(pretrain(zoo, model, "--steps", "5")) == 2
    assert "expected an empty or new folder for --out, or that of a run" in capsys.readouterr().err
    assert kept(model) == {model / "config.json": b"{}"}
    assert sorted(path.name for path in model.iterdir()) == ["config.json", "corpus"]
    assert main(pretrain(zoo, model / "config.json", "--steps", "5")) == 2
    assert "expected --out to be a folder, got the file" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(pretrain(zoo, tmp_path / "empty", "--steps", "3")) == 0


@pytest.mark.parametrize(
    "table", [None, {"warmup_steps": 60, "steps": 600}, {"steps": 300, "schedule": "'wsd'", "decay_steps": 120}]
)
@pytest.mark.parametrize("steps", [1, 20])
def test_fewer_steps_alone_have_a_shorter_warm_up(zoo, tmp_path, table, steps):
    recipe = [] if table is None else ["--recipe", write_tiny(tmp_path / "recipe.toml", zoo, **table)]
    options = options_of(["pretrain", "--out", "new", *recipe, "--steps", str(steps)])
    config = config_of(TrainConfig, settings_of(options, tmp_path / "new") | {"checkpoint_dir": tmp_path})
    assert config.warmup_steps <= steps / 10
    assert config.decay_steps == (0 if table is None or "schedule" not in table else max(1, 120 * steps // 300))
    typed = options_of(["pretrain", "--out", "new", *recipe, "--steps", "20", "--warmup-steps", "7"])
    assert settings_of(typed, tmp_path / "new")["warmup_steps"] == 7


def test_a_recipe_of_few_steps_has_a_shorter_warm_up_too(tmp_path):
    (tmp_path / "recipe.toml").write_text("[train]\nsteps = 20")
    options = options_of(["pretrain", "--out", "new", "--recipe", str(tmp_path / "recipe.toml")])
    assert settings_of(options, tmp_path / "new")["warmup_steps"] == 1


def options_of(arguments):
    return _parser().parse_args(arguments)


def test_the_shipped_defaults_are_those_of_the_help(capsys):
    settings = settings_of(options_of(["pretrain", "--out", "new"]), Path("new"))
    assert (settings["vocab_size"], settings["block_size"], settings["warmup_steps"]) == (4_096, 256, 100)
    with pytest.raises(SystemExit):
        main(["pretrain", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("--n-embd N width of the residual stream, in numbers a token (default: 384)", "(default: 0.9 0.95)"):
        assert text in shown


def test_every_setting_of_the_configs_is_an_option_once():
    own = {"help", "out", "recipe"}
    [commands] = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    options = [action for action in commands.choices["pretrain"]._actions if action.dest not in own]
    fields = {field.name for config in CONFIGS.values() for field in dataclasses.fields(config)}
    assert sorted(action.dest for action in options) == sorted(fields - {"checkpoint_dir", "rope_scaling"})
    assert all(len(action.help) > 10 for action in options)
    assert not any("``" in action.help or ":class:" in action.help for action in options)
    for config in CONFIGS.values():
        assert described(config).keys() == {field.name for field in dataclasses.fields(config)}


def test_settings_are_read_as_what_they_are():
    typed = "--betas 0.5 0.75 --bias --no-tied --n-inner 7 --grad-clip inf --packages a b --optimizer sgd --text x/y"
    options = vars(options_of(["pretrain", "--out", "new", *typed.split()]))
    expected = {"betas": (0.5, 0.75), "bias": True, "tied": False, "n_inner": 7, "grad_clip": math.inf}
    expected |= {"packages": ("a", "b"), "optimizer": "sgd", "text": "x/y", "out": "new", "recipe": None}
    assert {name: value for name, value in options.items() if name != "run"} == expected


NONSENSE = ["", "nonsense", "-1", "1e400", "nan", "99999999999999999999999", "0.5.5", "caf\udce9", "\x00", "-"]
#: Settings of which some nonsense is a value that can be.
FREE = {
    "--text", "--field", "--packages", "--dropout", "--rope-theta", "--norm-eps", "--lr", "--min-lr-ratio",
    "--weight-decay", "--momentum", "--grad-clip", "--ema-decay", "--betas", "--steps", "--eval-every", "--patience",
    "--checkpoint-every", "--keep-checkpoints", "--batch-size", "--micro-batch-size", "--decay-steps", "--bias",
    "--tied", "--compile", "--tensorboard", "--out", "--recipe", "--n-inner", "--block-size", "--system", "--data",
    "--against", "--validation", "--target-modules", "--lora-alpha", "--lora-dropout", "--r",
    "--train", "--label", "--leave-out", "--card", "--save",
}  # fmt: skip


@pytest.mark.parametrize("command", ["pretrain", "generate", "finetune", "chat", "evaluate", "score"])
def test_nonsense_is_refused_in_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [commands] = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    flags = [
        flag
        for action in commands.choices[command]._actions
        for flag in action.option_strings
        if flag.strip("-")[:1] != "h"
    ]
    needed = {
        "pretrain": ["--out", "new", "--packages", "none_such"],
        "finetune": ["--data", "nowhere.jsonl", "--out", "new"],
        "evaluate": ["--data", "nowhere.jsonl"],
        "score": ["nowhere.csv"],
    }.get(command, ["--model", "nowhere"])
    for flag in flags:
        for word in NONSENSE:
            status = main([command, *needed, f"{flag}={word}"])
            errors = capsys.readouterr().err
            assert status == 2, (flag, word)
            assert re.fullmatch(r"error: expected .*, got .*\n", errors), (flag, word, errors)
            if word in ("nonsense", "0.5.5") and flag not in FREE | {"--model", "--prompt", "--device"}:
                assert flag in errors, (flag, word, errors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--steps", "1" + 23 * "0"], r"steps \* batch_size below 2\*\*63, got steps=10{23} and batch_size=4"),
        (["--batch-size", "1000000000"], r"machine's .* GiB, got 238 GiB of tokens a step, for which batch_size can"),
        (["--batch-size", "10000000"], r"machine's .* GiB, got 179 GiB of logits, for which micro_batch_size can be"),
        (
            ["--n-embd", "10000000"],
            r"machine's .* GiB, got \S+ GiB of weights, for which n_layer, n_embd, n_inner",
        ),
        (["--n-layer", "1000000000"], r"got 1.16e\+04 GiB of weights"),
        (["--n-inner", "1" + 30 * "0"], r"GiB of weights"),
        (["--vocab-size", "2000000"], r"enough pairs for 2000000 tokens, got \d+: give more text"),
        (["--block-size", "100000"], r"= 200001 training tokens, got \d+: give more text, or a smaller block_size"),
    ],
)
def test_what_no_machine_and_no_text_can_do_is_refused_and_leaves_nothing(zoo, tmp_path, capsys, typed, message):
    (tmp_path / "there").mkdir()
    for run in (tmp_path / "runs" / "new", tmp_path / "there"):
        assert main(pretrain(zoo, run, *typed)) == 2
        errors = capsys.readouterr().err
        assert re.fullmatch(f"error: expected .*{message}.*\n", errors), errors
    assert not (tmp_path / "runs").exists()
    assert list((tmp_path / "there").iterdir()) == []


def test_too_little_memory_is_said_in_one_line_and_another_fault_is_not_hidden(zoo, tmp_path, monkeypatch, capsys):
    for far_too_much in (lambda: torch.empty(2**60), lambda: np.empty(2**58), lambda: bytearray(2**60)):
        monkeypatch.setattr(training, "fit", lambda *_, ask=far_too_much, **__: ask())
        assert main(pretrain(zoo, tmp_path / "run")) == 2
        errors = capsys.readouterr().err
        assert re.fullmatch(r"error: expected a run that fits the memory, got .*: take smaller sizes\n", errors), errors
    monkeypatch.setattr(training, "fit", lambda *_, **__: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        main(pretrain(zoo, tmp_path / "run"))


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["pretrain"], ["pretrain", "--out"], ["pretrain", "--out", "x", "--nonsense", "1"],
     ["pretrain", "--out", "x", "--n-lay", "1"], ["pretrain", "--out", "x", "--betas", "1"], ["generate", "x"]],
)  # fmt: skip
def test_other_options_are_refused_in_one_line(arguments, capsys):
    assert main(arguments) == 2
    assert re.fullmatch(r"error: expected .*, got .*\n", capsys.readouterr().err)


def test_a_cut_file_in_the_run_is_named(zoo, tmp_path, capsys):
    recipe, run = write_tiny(tmp_path / "recipe.toml", zoo), tmp_path / "run"
    assert main(["pretrain", "--recipe", recipe, "--out", str(run)]) == 0
    for path, content in kept(run).items():
        path.write_bytes(content[: len(content) // 2])
        capsys.readouterr()
        status = main(["pretrain", "--recipe", recipe, "--out", str(run)])
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        if path.parent.name == "corpus":
            assert status == 2, path
            assert f"{path.name}, got something else" in errors
            assert errors.rstrip().endswith(f"remove {path.parent} to make it again")
        elif status:  # what is written anew at the end of each run is no loss
            assert errors.startswith("error: expected "), (path, errors)
            assert errors.count("\n") == 1, (path, errors)
        path.write_bytes(content)


def test_own_text(tmp_path, capsys):
    text, run = tmp_path / "text", tmp_path / "run"
    text.mkdir()
    for i in range(30):
        (text / f"{i}.txt").write_text(f"The animal number {i} eats hay, and number {i + 1} eats what number {i} left.")
    own = ["pretrain", "--out", str(run), "--text", str(text), "--device", "cpu", *SMALL.split(), "--steps", "4"]
    assert main(own) == 0
    printed = capsys.readouterr().out
    assert f"reading {text}" in printed
    held_out = re.search(r"bits per byte on ([\d,]+) bytes", printed)
    assert 3 * 65 < int(held_out[1]) < 3 * 75  # a tenth of the documents
    assert len(re.findall(r"[\d.]+  \(no interval: 3 held-out documents are too few\)", printed)) == 4
    assert read_recipe(run / "recipe.toml")["text"] == str(text)
    assert main([*own, "--packages", "wordyzoo"]) == 2
    (text / "0.txt").write_bytes(b"caf\xe9")
    assert main(["pretrain", "--out", str(tmp_path / "other"), *own[3:]]) == 2
    assert "0.txt, got 0xe9 at byte 3" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


GPT2_NAMES = {
    "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm", "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "lm_head": "output",
}  # fmt: skip


def write_gguf(path, **metadata):
    """A small GPT-2 that writes letters, with weights so large that its first token decides which."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|begin|>", "<|stop|>", "<|endoftext|>", *alphabet, alphabet[0] + alphabet[1]]
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=len(tokens), block_size=32, n_layer=1, n_head=2, n_embd=32, bias=True, tied=False))
    tensors = {}
    for name, parameter in model.named_parameters():
        module, leaf = name.removeprefix("h.0.").rsplit(".", 1)
        where = "blk.0." if name.startswith("h.0.") else ""
        values = torch.randn(parameter.shape) if parameter.ndim > 1 else parameter.detach()
        if module == "lm_head":
            values *= torch.tensor([[1.0 if token.isascii() and token.isalpha() else 0.1] for token in tokens])
        tensors[f"{where}{GPT2_NAMES[module]}.{leaf}"] = values.numpy(), "F32"
    sizes = {"context_length": 32, "block_count": 1, "attention.head_count": 2, "embedding_length": 32,
             "feed_forward_length": 128, "attention.layer_norm_epsilon": 1e-5}  # fmt: skip
    read = {"model": "gpt2", "pre": "gpt-2", "tokens": tokens, "token_type": [3] * 3 + [1] * (len(tokens) - 3),
            "merges": [f"{alphabet[0]} {alphabet[1]}"], "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
    told = {f"gpt2.{key}": value for key, value in sizes.items()}
    return write(
        path, "gpt2", told | {f"tokenizer.ggml.{key}": value for key, value in (read | metadata).items()}, tensors
    )


@pytest.mark.parametrize(
    ("metadata", "prompt", "before"),
    [
        ({"add_bos_token": True}, "hay", ["<|begin|>"]),
        ({"add_bos_token": True}, "", ["<|begin|>"]),
        ({"add_bos_token": False}, "hay", []),
        ({}, "hay", []),
        ({}, "", ["<|endoftext|>"]),
    ],
)
def test_a_gguf_file_goes_on_with_a_text_as_it_says(tmp_path, capsys, metadata, prompt, before):
    file = write_gguf(tmp_path / "small.gguf", **metadata)
    model, tokenizer = GPT.from_pretrained(file), ChatTokenizer.from_pretrained(file)
    written = []
    for start in (before, *({(), ("<|begin|>",), ("<|endoftext|>",), ("<|stop|>",)} - {tuple(before)})):
        tokens = [*map(tokenizer.tokenizer.token_to_id, start), *tokenizer.encode(prompt)]
        if tokens:
            stop = tokenizer.stop_tokens
            both = model.generate(torch.tensor([tokens]), 12, temperature=0.0, stop_tokens=stop)
            written.append(tokenizer.decode(both[0], skip_special_tokens=True) + "\n")
    for path in (file, tmp_path):
        command = ["generate", "--model", str(path), "--prompt", prompt, "--max-new-tokens", "12", "--temperature", "0"]
        assert main(command) == 0
        assert capsys.readouterr().out == written[0]
    assert written[0] not in written[1:]  # what stands before the prompt can be told from what is written


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


@pytest.mark.parametrize("command", ["pretrain", "generate", "finetune", "chat", "evaluate"])
def test_help_explains_units(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert "tokens" in capsys.readouterr().out
