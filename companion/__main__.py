"""The command line: ``python -m companion pretrain`` and ``python -m companion generate``."""

import argparse
import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from companion import data, runtime, training
from companion.models import GPT, GPTConfig, NGram
from companion.models.hub.weights import copy_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for what the user can put right, 130 after Ctrl-C."""
    parser, pretrain = _parsers()
    try:
        recipe = parser.parse_args(arguments).__dict__.get("recipe")
        if recipe is not None:
            pretrain.set_defaults(**training.read_recipe(recipe))  # what is typed wins over what the recipe says
        options = parser.parse_args(arguments)
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        where = f": {stop}; the same command goes on from there" if str(stop) else ""
        print(f"interrupted{where}", file=sys.stderr)
        return 130
    return 0


def _pretrain(options: argparse.Namespace) -> None:
    folder = Path(options.out)
    config = _from_options(training.TrainConfig, options, checkpoint_dir=folder / "checkpoints")
    runtime.seed_everything(options.seed)
    model = GPT(_from_options(GPTConfig, options))
    first = runtime.process_rank() == 0  # under torchrun one process speaks for all
    if options.recipe and first:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.recipe, folder / "recipe.toml")
    corpus = _corpus(options, folder / "corpus")
    batches = data.TokenBatches(corpus.train, corpus.validation, block_size=options.block_size)
    device = runtime.pick_device(config.device)
    precision = runtime.pick_precision(config.precision, device)
    if first:
        print(f"{len(corpus.train):,} training and {len(corpus.validation):,} validation tokens")
        print(f"on {device}, computing in {precision.dtype} ({precision.why})")
    estimate = training.estimate_cost(model, batches, config) if config.parallel == "none" else None
    if estimate is not None:
        print(estimate)
    history = training.fit(model, batches, config)
    weights = training.whole_weights(model)
    if not first:
        return
    model = GPT(model.config)
    copy_weights(model, weights)
    print(history)
    if estimate is not None:
        print(estimate.against(history))
    model.save_pretrained(folder)
    corpus.tokenizer.save(str(folder / "tokenizer.json"))
    history.frame.to_csv(folder / "history.csv")
    _report(model, corpus)
    print(f"the model is in {folder}")


def _corpus(options: argparse.Namespace, folder: Path) -> data.TokenCorpus:
    """The corpus in ``folder``, made where there is none: by the first process that comes, while the others wait."""
    about = {"packages": options.packages, "vocab_size": options.vocab_size, "seed": options.seed}
    with runtime.locked(folder.with_suffix(".lock")):
        corpus = data.open_corpus(folder, about)
        if corpus is None:
            print(f"reading the docstrings of {', '.join(options.packages)}")
            corpus = data.token_corpus(options.packages, vocab_size=options.vocab_size, seed=options.seed)
            data.save_corpus(corpus, folder, about)
    return corpus


def _report(model: GPT, corpus: data.TokenCorpus) -> None:
    """Bits per byte on held-out modules, beside n-gram models of the same training tokens."""
    end = data.end_of_text_id(corpus.tokenizer)
    text = np.concatenate([[end], corpus.validation])  # each model may know that the text follows an end of text
    rows = {"gpt": training.token_losses(model, corpus.validation, end_of_text=end)}
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        rows[name] = NGram(order, model.config.vocab_size).fit(corpus.train).losses(text)[1:]
    print("bits per byte on held-out modules (lower is better)")
    for name, losses in rows.items():
        score = training.bits_per_byte(losses, corpus.validation_bytes, corpus.validation_module, seed=0)
        print(f"  {name:<8} {score.estimate:.3f}  ({score.level:.0%} interval {score.low:.3f} to {score.high:.3f})")


def _generate(options: argparse.Namespace) -> None:
    folder = Path(options.model)
    model, tokenizer = GPT.from_pretrained(folder), data.load_tokenizer(folder / "tokenizer.json")
    model.to(runtime.pick_device(options.device))
    end = data.end_of_text_id(tokenizer)
    text = [options.prompt] if options.prompt else []
    prompt = [end, *(token for each in text for token in data.encode(tokenizer, [each])[:-1])]
    tokens = data.as_batch(np.array(prompt), next(model.parameters()).device)
    out = model.generate(
        tokens,
        options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        stop_tokens=[end],
    )
    print(tokenizer.decode(out[0, 1:].tolist()))


def _from_options(config: type[Any], options: argparse.Namespace, **fixed: Any) -> Any:
    """A config whose fields come from the options of the same names."""
    names = {field.name for field in dataclasses.fields(config)}
    return config(**{name: value for name, value in vars(options).items() if name in names}, **fixed)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of the command line, and that of ``pretrain``, whose defaults a recipe may change."""
    parser = argparse.ArgumentParser(
        prog="python -m companion", description="Trains a GPT on text that is on this machine, and writes with it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shown = argparse.ArgumentDefaultsHelpFormatter
    text = "train a GPT on the docstrings of installed packages"
    pretrain = commands.add_parser("pretrain", help=text, formatter_class=shown)
    _add_pretrain(pretrain)
    _add_generate(commands.add_parser("generate", help="write text with a trained GPT", formatter_class=shown))
    return parser, pretrain


def _add_pretrain(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_pretrain)
    parser.add_argument("--out", required=True, help="folder of the run; where it holds one, the run goes on")
    parser.add_argument("--recipe", help="TOML file with other defaults, also of what has no option here")
    parser.add_argument("--packages", nargs="+", default=list(data.PACKAGES), help="where the text comes from")
    whole: list[tuple[str, int, str]] = [
        ("--vocab-size", 4_096, "number of distinct tokens"),
        ("--block-size", 256, "longest sequence, in tokens"),
        ("--n-layer", 6, "number of blocks"),
        ("--n-head", 6, "attention heads a block"),
        ("--n-embd", 384, "width of the model; a multiple of --n-head"),
        ("--steps", 2_000, "optimizer steps"),
        ("--batch-size", 16, "sequences a step"),
        ("--warmup-steps", 100, "steps over which the learning rate rises"),
        ("--eval-every", 250, "steps between validations"),
        ("--checkpoint-every", 250, "steps between checkpoints"),
        ("--seed", 0, "of the split, the weights and the order of the data"),
    ]
    for name, default, text in whole:
        parser.add_argument(name, type=int, default=default, help=text)
    parser.add_argument("--optimizer", default="muon", help="muon or adamw")
    parser.add_argument("--lr", type=float, default=2e-3, help="highest learning rate, a step's size")
    parser.add_argument("--precision", default="auto", help="fp32, bf16, or auto: bf16 where the hardware has it")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_generate)
    parser.add_argument("--model", required=True, help="folder that pretrain wrote")
    parser.add_argument("--prompt", default="", help="text to go on from; none starts a new text")
    parser.add_argument("--max-new-tokens", type=int, default=100, help="tokens to write, about 3 bytes each")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token, 1 draws as learnt")
    parser.add_argument("--top-k", type=int, default=None, help="draw from this many of the likeliest tokens")
    parser.add_argument(
        "--top-p", type=float, default=None, help="draw from the likeliest tokens that reach this probability"
    )
    parser.add_argument("--seed", type=int, default=None, help="the same seed writes the same text")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")


if __name__ == "__main__":
    sys.exit(main())
