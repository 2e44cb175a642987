"""``--recipe`` of the commands that use a model: what it says counts until something else is typed."""

import json
import re

import pytest
from small_chat import write_chat_model

from companion.__main__ import _COMMANDS, main
from companion.commands import recipes


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf8")
        return str(path)

    return write


@pytest.mark.parametrize("command", ["finetune", "chat", "evaluate", "serve", "estimate", "pretrain"])
def test_each_command_has_help_and_recipes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--recipe FILE" in (shown := capsys.readouterr().out) or "--recipe TEXT" in shown


def test_recipes_are_of_known_commands():
    assert set(recipes.COMMANDS) < set(_COMMANDS)


def test_an_answer_by_a_recipe_is_that_of_the_same_options_typed(recipe, tmp_path, capsys):
    model = write_chat_model(tmp_path / "model")
    options = ["--model", model, "--prompt", "say c", "--temperature", "0", "--max-new-tokens", "9"]
    assert main(["chat", *options]) == 0
    expected = capsys.readouterr().out
    path = recipe(f'[chat]\nmodel = "{model}"\nprompt = "say c"\ntemperature = 0\nmax_new_tokens = 9\n')
    assert main(["chat", "--recipe", path]) == 0
    assert capsys.readouterr().out == expected
    assert main(["chat", f"--recipe={path}", "--max-new-tokens", "3"]) == 0  # what is typed wins
    assert len(capsys.readouterr().out) < len(expected)


def test_one_file_tunes_and_evaluates(recipe, tmp_path, capsys):
    rows, questions = tmp_path / "rows.jsonl", tmp_path / "questions.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"say {x}", "answer": f"{x}"}) + "\n" for x in "abcdefghijklmno"))
    questions.write_text("".join(json.dumps({"question": f"say {x}", "answers": [x]}) + "\n" for x in "pqrs"))
    path = recipe(f"""
        [finetune]
        data = "{rows}"
        model = "{write_chat_model(tmp_path / "model")}"
        out = "{tmp_path / "out"}"
        steps = 2
        batch_size = 4
        eval_every = 0
        precision = "fp32"
        device = "cpu"
        r = 2
        target_modules = ["q_proj", "up_proj"]
        [evaluate]
        data = "{questions}"
        model = "{tmp_path / "out"}"
        max_new_tokens = 3
        chat = false
        """)
    assert main(["finetune", "--recipe", path]) == 0
    capsys.readouterr()
    told = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (told["r"], sorted(told["target_modules"])) == (2, ["q_proj", "up_proj"])
    assert main(["evaluate", "--recipe", path, "--limit", "3"]) == 0
    assert "3 questions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[serve]\nport = 1\n", r"expected a table \[chat\] in .*, got serve"),
        ("", r"expected a table \[chat\] in .*, got an empty file"),
        ("chat = 3\n", r"expected a table \[chat\] in .*, got chat"),
        ("[chat\n", r"expected TOML in .*, got something else"),
        ("[chat]\nsteps = 3\n", r"expected options as `python -m companion.* --help` lists them, got .*--steps=3"),
        ("[chat]\ntemperature = 'hot'\n", r"expected --temperature to be a number, got 'hot'"),
        ("[chat]\nrecipe = 'other.toml'\n", r"expected options with a text.*, got recipe"),
        ("[chat]\nprompt = {a = 1}\n", r"expected options with a text.*, got prompt"),
        ("[chat]\nmodel = 'nowhere'\n", r"expected .*nowhere"),
    ],
)
def test_what_no_recipe_can_be_is_refused_in_one_line(text, message, recipe, capsys):
    assert main(["chat", "--recipe", recipe(text)]) == 2
    assert re.fullmatch(f"error: {message}.*\n", capsys.readouterr().err)


def test_a_recipe_that_is_not_there_is_named(capsys):
    assert main(["serve", "--recipe", "nowhere.toml"]) == 2
    assert capsys.readouterr().err == "error: expected a recipe in nowhere.toml, got no such file\n"
