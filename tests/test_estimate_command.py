"""``estimate``: the numbers of published runs come out, and what cannot be estimated is one line."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from companion.__main__ import main
from companion.models import GPT, GPTConfig


def estimated(capsys, *arguments):
    assert main(["estimate", *arguments]) == 0
    return capsys.readouterr().out


def test_llama_2_took_the_hours_that_meta_printed(capsys):
    # Touvron et al. 2023, table 2: 1,720,320 hours of A100; at 2e12 tokens that is 43.5% without attention's products
    out = estimated(
        capsys, "--model", "Llama-2 70B", "--tokens", "2e12", "--accelerator", "A100", "--utilization", "0.435"
    )
    hours = float(re.search(r"([\d,]+) hours of A100", out)[1].replace(",", ""))
    assert 1_720_320 < hours < 1.1 * 1_720_320


def test_llama_2_7b_on_one_h100(capsys):
    out = estimated(capsys, "--model", "Llama-2 7B", "--price", "2.5")
    assert "6,738,415,616 parameters" in out
    assert "13.5 GB of weights, and 2.15 GB of cache" in out  # 2 bytes each; 2 · 32 · 4,096 · 4,096 · 2 bytes
    assert "30 at once" in out
    assert "training on 1.35e+11 tokens" in out  # 20 a parameter
    assert "dollars a million" in out
    assert "dollars" not in estimated(capsys, "--model", "Llama-2 7B")


def test_what_does_not_fit_is_said(capsys):
    out = estimated(capsys, "--model", "GPT-3 175B", "--accelerator", "A100")
    assert "does not fit one device of 80 GB" in out
    assert "it does not fit one A100" in out


def test_a_recipe_and_a_folder_of_one_model_agree(capsys, tmp_path):
    recipe = tmp_path / "small.toml"
    recipe.write_text("[model]\nn_layer = 2\nn_head = 2\nn_embd = 32\nblock_size = 64\n[data]\nvocab_size = 300\n")
    GPT(GPTConfig(300, 64, n_layer=2, n_head=2, n_embd=32)).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()  # the weights are not needed
    first = estimated(capsys, "--recipe", str(recipe)).split(":", 1)[1]
    second = estimated(capsys, "--model", str(tmp_path)).split(": ", 1)[1]
    assert first.strip() == second.strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected --model or --recipe"),
        (["--model", "Llama-2 7B", "--recipe", "x"], "expected --model or --recipe"),
        (["--model", "Llama-2 7B", "--accelerator", "abacus"], "expected --accelerator of H200"),
        (["--model", "Llama-2 7B", "--context", "5000"], "expected --context of 1 to 4096"),
        (["--model", "Llama-2 7B", "--tokens", "0"], "expected --tokens above 0"),
        (["--model", "Llama-2 7B", "--tokens", "nan"], "expected --tokens above 0"),
        (["--model", "Llama-2 7B", "--price", "0"], "expected --price above 0"),
        (["--model", "Llama-2 7B", "--utilization", "40"], "write 0.4 for 40%"),
        (["--model", "Llama-2 7B", "--devices", "0"], "expected devices"),
        (["--model", "llama-2-7b"], "one of GPT-2 small, "),
    ],
)
def test_one_line_for_what_cannot_be_estimated(capsys, arguments, said):
    assert main(["estimate", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_config_that_we_do_not_have_is_refused_by_name(capsys, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    assert main(["estimate", "--model", str(tmp_path)]) == 2
    assert "'mamba'" in capsys.readouterr().err


def test_who_has_read_enough_gets_no_error():
    """As in ``… | head -1``: what is written then has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "companion", "estimate", "--model", "GPT-2 small"]
    with open(writer, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
