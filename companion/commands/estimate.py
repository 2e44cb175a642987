"""``python -m companion estimate``: what a model needs to be trained and served, known before there is one."""

import argparse
from pathlib import Path

from companion import training
from companion.commands.opening import ASSISTANT, open_model
from companion.commands.options import reader
from companion.commands.settings import DEFAULTS, config_of
from companion.data import CorpusConfig
from companion.economics import (
    ACCELERATORS,
    Accelerator,
    answer_latency,
    decode_step,
    largest_batch,
    serving_memory,
    training_bill,
    training_memory,
)
from companion.economics.compute import parameter_count, training_flops
from companion.models import PUBLISHED, GPTConfig
from companion.models.hub.gpt import read_config

_GPTS = {name: config for name, config in PUBLISHED.items() if isinstance(config, GPTConfig)}


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    model = (
        f"a published size ({', '.join(_GPTS)}), a folder with config.json, a .gguf file, or smollm2 (default: that of "
        "--recipe)"
    )
    for name, kind, default, text in (
        ("model", str, None, model),
        ("recipe", str, None, "TOML file as pretrain reads it, whose [model] is meant"),
        ("tokens", float, None, "tokens of training, such as 2e12 (default: 20 a parameter)"),
        ("context", int, None, "tokens of a sequence (default: as many as the model can read)"),
        ("accelerator", str, "H100", f"one of {', '.join(ACCELERATORS)} (default: H100)"),
        ("devices", int, 1, "devices that train at once (default: 1)"),
        ("utilization", float, 0.4, "proportion of the peak that training reaches (default: 0.4)"),
        ("price", float, None, "dollars for an hour of one device (default: no money is counted)"),
        ("weight-bytes", float, 2.0, "bytes of a weight that serves: 2, 1, 0.5 (default: 2)"),
    ):
        flag, metavar = f"--{name}", {int: "N", float: "X", str: "TEXT"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Prints what training and serving need."""
    name, config = _config(options)
    if options.accelerator not in ACCELERATORS:
        raise ValueError(f"expected --accelerator of {', '.join(ACCELERATORS)}, got {options.accelerator!r}")
    for option in ("tokens", "price", "weight_bytes"):
        value = getattr(options, option)
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"expected --{option.replace('_', '-')} above 0, got {value}")
    if options.context is not None and not 1 <= options.context <= config.block_size:
        raise ValueError(f"expected --context of 1 to {config.block_size}, which it can read, got {options.context}")
    device, context = ACCELERATORS[options.accelerator], options.context or config.block_size
    print(f"{name}: {parameter_count(config):,} parameters, sequences of {context:,} tokens")
    _print_training(config, device, context, options)
    _print_serving(config, device, context, options)


def _config(options: argparse.Namespace) -> tuple[str, GPTConfig]:
    if (options.model is None) == (options.recipe is None):
        raise ValueError("expected --model or --recipe, one of the two")
    if options.recipe is not None:
        settings = DEFAULTS | {"vocab_size": CorpusConfig.vocab_size} | training.read_recipe(options.recipe)
        return Path(options.recipe).stem, config_of(GPTConfig, settings)
    if options.model in _GPTS:
        return options.model, _GPTS[options.model]
    if options.model != ASSISTANT and not Path(options.model).exists():
        names = ", ".join(_GPTS)
        raise ValueError(
            f"expected --model to be {ASSISTANT}, a folder, a file or one of {names}, got {options.model!r}"
        )
    if (Path(options.model) / "config.json").is_file():
        return options.model, read_config(Path(options.model))[1]
    return options.model, open_model(options.model)[0].config


def _print_training(config: GPTConfig, device: Accelerator, context: int, options: argparse.Namespace) -> None:
    tokens = 20 * parameter_count(config) if options.tokens is None else options.tokens
    flops = tokens / context * training_flops(config, batch=1, time=context)
    bill = training_bill(
        flops,
        peak=device.flops,
        utilization=options.utilization,
        price=1.0 if options.price is None else options.price,
        devices=options.devices,
    )
    held = training_memory(config, batch=1, time=context).total
    money = "" if options.price is None else f", {bill.dollars:,.0f} dollars"
    rate = f"{options.accelerator} at {options.utilization:.0%} of its peak"
    print(
        f"training on {tokens:.3g} tokens: {flops:.3g} operations, {_short(bill.device_hours)} hours of {rate}, "
        f"{_short(bill.days)} days on {options.devices:,}{money}"
    )
    fits = "fits one device" if held <= device.memory else f"does not fit one device of {_gb(device.memory)}: shard it"
    print(f"  a step of one sequence in mixed precision holds {_gb(held)}, which {fits}")


def _print_serving(config: GPTConfig, device: Accelerator, context: int, options: argparse.Namespace) -> None:
    one = serving_memory(config, batch=1, time=context, weight_bytes=options.weight_bytes)
    batch = largest_batch(config, device, time=context, weight_bytes=options.weight_bytes)
    print(f"serving: {_gb(one.weights)} of weights, and {_gb(one.kv_cache)} of cache for each open sequence")
    if not batch:
        print(f"  it does not fit one {options.accelerator} of {_gb(device.memory)}")
        return
    answer = answer_latency(
        config, device, prompt=max(1, context // 2), new=max(1, context // 2), weight_bytes=options.weight_bytes
    )
    full = decode_step(config, device, batch=batch, time=context, weight_bytes=options.weight_bytes)
    money = "" if options.price is None else f", {full.dollars_per_million(options.price):.2g} dollars a million"
    print(
        f"  one answer on one {options.accelerator}, at best: {answer.first_token:.3g} s to read half the context, "
        f"then {1e3 * answer.per_token:.3g} ms a token\n"
        f"  {batch:,} at once, all that fit: at best {full.tokens_per_second:,.0f} tokens a second{money}"
    )


def _gb(size: float) -> str:
    return f"{_short(size / 1e9)} GB"


def _short(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
