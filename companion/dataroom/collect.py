"""What a run's own files say: the model, its training, its data, its evaluations."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from companion.dataroom.facts import Facts
from companion.economics import ACCELERATORS, training_bill
from companion.economics.compute import training_flops
from companion.models.hub.gpt import read_config
from companion.stats import mean_ci
from companion.training import read_recipe
from companion.training.answers import scores_of
from companion.trust import epsilon


def model(facts: Facts) -> None:
    """Parameters, context and vocabulary of the model."""
    weights = facts.run / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"expected the folder of a run, with model.safetensors, got {facts.run}")
    with safe_open(weights, framework="numpy") as opened:
        count = sum(int(np.prod(opened.get_slice(name).get_shape())) for name in opened.keys())  # noqa: SIM118 - no mapping
    _, config = read_config(facts.run)
    facts.add("model.parameters", f"{count:,}", "model.safetensors")
    facts.add("model.bytes", f"{weights.stat().st_size:,}", "model.safetensors")
    facts.add("model.context", f"{config.block_size:,} tokens", "config.json")
    facts.add("model.vocabulary", f"{config.vocab_size:,} tokens", "config.json")
    facts.add("model.blocks", f"{config.n_layer} blocks, {config.n_embd} wide", "config.json")


def training(facts: Facts, cost: dict[str, object] | None) -> None:
    """Steps, tokens, losses, hours; with prices, what it was to cost and what it cost."""
    if not (facts.run / "history.csv").is_file():
        raise FileNotFoundError(f"expected a run that was trained here, with history.csv, got {facts.run}")
    history = pd.read_csv(facts.run / "history.csv")
    recipe = read_recipe(facts.run / "recipe.toml")
    _, config = read_config(facts.run)
    tokens = int(history["step"].max()) * recipe["batch_size"] * config.block_size
    facts.add("training.steps", f"{int(history['step'].max()):,}", "history.csv")
    facts.add("training.tokens", f"{tokens:,}", "history.csv")
    facts.add("training.loss", f"{history['loss'].iloc[-1]:.4f} nats a token", "history.csv")
    if "validation_loss" in history and history["validation_loss"].notna().any():
        facts.add("training.validation_loss", f"{history['validation_loss'].min():.4f} nats a token", "history.csv")
    hours = history["seconds"].max() / 3_600
    facts.add("training.hours", f"{hours:.3g} hours", "history.csv")
    facts.add("training.seed", str(recipe.get("seed", 0)), "recipe.toml")
    if cost is None:
        return
    flops = training_flops(config, batch=1, time=config.block_size) * tokens / config.block_size
    if cost["accelerator"] not in ACCELERATORS:
        raise ValueError(f"expected accelerator of {', '.join(ACCELERATORS)} in [cost], got {cost['accelerator']!r}")
    peak, price, devices = ACCELERATORS[str(cost["accelerator"])].flops, float(cost["price"]), int(cost["devices"])  # type: ignore[arg-type, call-overload]
    bill = training_bill(flops, peak=peak, utilization=float(cost["utilization"]), price=price, devices=devices)  # type: ignore[arg-type]
    facts.add("cost.operations", f"{flops:.3g} operations", "config.json")
    facts.add("cost.forecast", f"{bill.dollars:,.2f} dollars ({bill.device_hours:.3g} device hours)", "dataroom.toml")
    facts.add(
        "cost.actual", f"{hours * devices * price:,.2f} dollars ({hours * devices:.3g} device hours)", "history.csv"
    )


def data(facts: Facts) -> None:
    """Tokens of the corpus that the run has read."""
    for part in ("train", "validation"):
        if (facts.run / f"corpus/{part}.npy").is_file():
            count = len(np.load(facts.run / f"corpus/{part}.npy", mmap_mode="r"))
            facts.add(f"data.{part}_tokens", f"{count:,} tokens", f"corpus/{part}.npy")


def evaluations(facts: Facts) -> None:
    """The scores of each file in ``evaluations/``, as ``companion evaluate --out`` writes them, with intervals.

    Raises:
        ValueError: for a file that has other columns.
    """
    for path in sorted((facts.run / "evaluations").glob("*.csv")):
        rows = pd.read_csv(path)
        wanted = {"model", "group"} | ({"exact", "f1"} if "answer" not in rows else {"by_sum", "by_length"})
        if missing := sorted(wanted - set(rows)):
            raise ValueError(f"expected rows of `companion evaluate --out` in {path}, got no column {missing[0]!r}")
        for place, of_model in rows.groupby("model", sort=False):
            model = Path(str(place)).name  # scores of another model must not pass for the run's own
            groups = None if of_model["group"].isna().any() else of_model["group"]
            name = ".".join(("evaluations", path.stem, *([model] if model != facts.run.resolve().name else [])))
            name = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name)
            facts.add(f"{name}.questions", f"{len(of_model):,}", f"evaluations/{path.name}")
            for score, values in scores_of(of_model).items():
                ci = mean_ci(values, bounds=(0, 1), clusters=groups)
                text = f"{ci.estimate:.3f} ({ci.level:.0%} interval {ci.low:.3f} to {ci.high:.3f})"
                facts.add(f"{name}.{str(score).replace(' ', '_')}", text, f"evaluations/{path.name}")
                facts.add(
                    f"{name}.{str(score).replace(' ', '_')}.not_fully_right",
                    f"{(values < 1).sum():,}",
                    f"evaluations/{path.name}",
                )


def privacy(facts: Facts, ledger: dict[str, object] | None) -> None:
    """The ε of differentially private training, by Rényi divergences, where there was such a training."""
    if ledger is not None:
        sigma, q, delta = (float(ledger[name]) for name in ("noise_multiplier", "sampling_rate", "delta"))  # type: ignore[arg-type]
        value = epsilon(sigma, q=q, steps=int(ledger["steps"]), delta=delta, accountant="rdp")  # type: ignore[call-overload]
        facts.add("privacy.epsilon", f"{value:.3f} at δ = {delta:g}", "dataroom.toml")


def environment(facts: Facts) -> None:
    """Versions and machine of the training."""
    file = "checkpoints/environment.json"
    if (facts.run / file).is_file():
        for name, value in json.loads((facts.run / file).read_text(encoding="utf-8")).items():
            if name in ("python", "torch", "platform"):
                facts.add(f"environment.{name}", str(value), file)
