from pathlib import Path

import pytest

from companion.economics.compute import parameter_count
from companion.models import GPTConfig
from companion.training import TrainConfig, read_recipe
from companion.training.recipe import TABLES

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def configs(settings):
    model = {name: value for name, value in settings.items() if name in TABLES["model"] | {"vocab_size"}}
    train = {name: value for name, value in settings.items() if name in TABLES["train"] | {"seed"}}
    return GPTConfig(**model), TrainConfig(**train, checkpoint_dir="run")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_makes_a_model_and_a_run(path):
    model, train = configs(read_recipe(path))
    assert train.batch_size % (train.micro_batch_size or 1) == 0
    assert f"--recipe recipes/{path.name}" in path.read_text(encoding="utf-8")
    assert parameter_count(model) > 1e6


def test_the_recipes_have_the_sizes_that_they_name():
    sizes = {path.stem: parameter_count(configs(read_recipe(path))[0]) for path in RECIPES}
    assert sizes["gpt_cpu"] == pytest.approx(12.3e6, rel=0.01)
    assert sizes["gpt2_124m_gpu"] == pytest.approx(124e6 - (50_257 - 32_768) * 768, rel=0.01)  # but for the vocabulary
    assert sizes["gpt_many_gpus"] == pytest.approx(1.27e9, rel=0.01)


def test_no_name_stands_in_two_tables():
    names = [name for table in TABLES.values() for name in table]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nstepz = 5", r"expected names such as .* in \[train\] of .*, got stepz"),
        ("[train]\ncheckpoint_dir = 'here'", "got checkpoint_dir"),
        ("[optimizer]\nlr = 5", r"expected the tables \[data\], \[model\] and \[train\] in .*, got optimizer"),
        ("steps = 5", "got steps"),
        ("[train", "expected TOML in"),
    ],
)
def test_what_no_recipe_says_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a recipe in .*nowhere.toml"):
        read_recipe(tmp_path / "nowhere.toml")
