"""``python -m companion pretrain``: from text to a GPT, its tokenizer, and its score beside n-grams."""

import argparse
import contextlib
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch

from companion import data, runtime, training
from companion.commands.options import add_fields, reader
from companion.commands.scores import print_scores
from companion.commands.settings import DEFAULTS, config_of, settings_of
from companion.economics.compute import parameter_count
from companion.models import GPT, GPTConfig
from companion.models.hub.weights import copy_weights
from companion.training.history import Row
from companion.training.recipe import CONFIGS, TABLES


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options: one for each field of the three configs."""
    out = "folder of the run: a new one, or that of a run, which then goes on as its recipe.toml says"
    parser.add_argument("--out", required=True, type=reader(str, "--out"), metavar="FOLDER", help=out)
    recipe = "TOML file with other defaults; what is typed wins over it"
    parser.add_argument("--recipe", type=reader(str, "--recipe"), metavar="FILE", help=recipe)
    for table, config in CONFIGS.items():
        without = {field.name for field in dataclasses.fields(config)} - TABLES[table]
        add_fields(parser, table, config, DEFAULTS, without=without)


def run(options: argparse.Namespace) -> None:
    """Trains, reports and keeps a model. Nothing is written before the settings are known to hold together."""
    folder = Path(options.out)
    settings = settings_of(options, folder)
    corpus_config, model_config = config_of(data.CorpusConfig, settings), config_of(GPTConfig, settings)
    config = config_of(training.TrainConfig, settings | {"checkpoint_dir": folder / "checkpoints"})
    device = runtime.pick_device(config.device)
    _refuse_other_folder(folder)
    _refuse_too_large(model_config, config, device)
    runtime.seed_everything(config.seed)
    model = GPT(model_config)
    first = runtime.process_rank() == 0  # under torchrun one process speaks for all
    corpus, batches = _text(corpus_config, model_config.block_size, folder)
    precision = runtime.pick_precision(config.precision, device)
    if first:
        print(f"{len(corpus.train):,} training and {len(corpus.validation):,} validation tokens")
        print(f"on {device}, computing in {precision.dtype} ({precision.why})", flush=True)
    estimate = training.estimate_cost(model, batches, config) if config.parallel == "none" else None
    if estimate is not None:
        print(estimate, flush=True)
    history = training.fit(model, batches, config, watch=_RecipeKeeper(settings, folder) if first else None)
    weights = training.whole_weights(model)
    if first:
        model = GPT(model_config)
        copy_weights(model, weights)
        print(history)
        if estimate is not None:
            print(estimate.against(history))
        _keep(model, corpus, history, folder)


def _refuse_other_folder(folder: Path) -> None:
    """Refuses a folder with files in which no run began: the first thing that a run makes is the corpus's lock."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"expected --out to be a folder, got the file {folder}: name another")
    ours = (folder / "corpus.lock").is_file() or (folder / "checkpoints" / "config.json").is_file()
    if folder.is_dir() and not ours and (there := sorted(path.name for path in folder.iterdir())):
        got = f"{', '.join(there[:3])}{', …' if len(there) > 3 else ''}"
        raise ValueError(f"expected an empty or new folder for --out, or that of a run, got {folder} with {got}")


def _refuse_too_large(model: GPTConfig, config: training.TrainConfig, device: torch.device) -> None:
    """Refuses weights that alone do not fit this machine, before they are drawn one by one, and such batches."""
    rows = min(config.batch_size, config.micro_batch_size or config.batch_size)
    needs = {
        "weights, for which n_layer, n_embd, n_inner and block_size": 4 * parameter_count(model),
        "tokens a step, for which batch_size": 16 * config.batch_size * model.block_size,  # two numbers of 64 bits each
    }
    if device.type == "cpu":  # on a GPU, micro-batches are halved until they fit
        needs["logits, for which micro_batch_size"] = 4 * rows * model.block_size * model.vocab_size
    there = runtime.total_memory()
    for what, needed in needs.items():
        if needed > there > 0:
            got = f"{needed / 2**30:.3g} GiB of {what} can be smaller"
            raise ValueError(f"expected a run that fits this machine's {there / 2**30:.3g} GiB, got {got}")


class _RecipeKeeper:
    """Writes what a run was told beside it, once its first step has shown that the run takes it."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        self.settings, self.path, self.written = settings, folder / "recipe.toml", False

    def __call__(self, row: Row) -> None:
        if not self.written:
            training.write_recipe(self.settings, self.path)
            self.written = True


def _text(config: data.CorpusConfig, block_size: int, folder: Path) -> tuple[data.TokenCorpus, data.TokenBatches]:
    """The run's corpus, made where there is none: by the first process that comes, while the others wait."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    made = False
    try:
        with runtime.locked(folder / "corpus.lock"):
            corpus = data.open_corpus(folder / "corpus", dataclasses.asdict(config))
            if corpus is None:
                made = True
                source = config.text or f"the docstrings of {', '.join(config.packages)}"
                print(f"reading {source}", flush=True)
                corpus = data.write_corpus(config, folder / "corpus")
        return corpus, data.TokenBatches(corpus.train, corpus.validation, block_size=block_size)
    except (ValueError, OSError):
        if made:  # text that will not do leaves nothing behind
            shutil.rmtree(folder / "corpus", ignore_errors=True)
            (folder / "corpus.lock").unlink(missing_ok=True)
            for path in missing:
                with contextlib.suppress(OSError):  # another process may be at work in it
                    path.rmdir()
        raise


def _keep(model: GPT, corpus: data.TokenCorpus, history: training.History, folder: Path) -> None:
    model.save_pretrained(folder)
    corpus.tokenizer.save(str(folder / "tokenizer.json"))
    history.frame.to_csv(folder / "history.csv")
    print_scores(model, corpus)
    print(f"the model is in {folder}")
