"""``python -m companion finetune``: an assistant learns from conversations of one's own, by low-rank adapters."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from companion import finetune, runtime, training
from companion.commands.opening import ASSISTANT, PLACES, open_model
from companion.commands.options import add_fields, reader
from companion.commands.settings import config_of
from companion.finetune.conversations import Conversation, count_asked_before
from companion.training.history import Row

#: What two cores do in some minutes with the assistant and short answers; rates as the paper on LoRA has them.
DEFAULTS: dict[str, Any] = {
    "steps": 100,
    "batch_size": 8,
    "lr": 5e-4,
    "warmup_steps": 10,
    "weight_decay": 0.0,
    "eval_every": 25,
    "checkpoint_every": 25,
    "keep_checkpoints": 1,
}
_TRAIN = {*DEFAULTS, "micro_batch_size", "schedule", "patience", "precision", "device", "seed", "decay_steps"}
_ADAPTER_FILE, _RUN_FILE = "adapter_model.safetensors", "finetune.json"


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    rows = (
        'JSON lines such as {"prompt": "2 + 2?", "answer": "4"}, with "system" where that is to be told before, or '
        '{"messages": [{"role": "user", "content": "2 + 2?"}, …]}; only the tokens of answers are learned'
    )
    out = "folder of the run: a new one, or that of a run, which then goes on; checkpoints hold adapters only"
    for name, default, text in (
        ("data", None, rows),
        ("out", None, out),
        ("model", ASSISTANT, f"{PLACES} (default: {ASSISTANT})"),
        ("validation", None, "such a file to validate on; without one a tenth of the prompts is held out of --data"),
    ):
        flag, needed = f"--{name}", name in ("data", "out")
        parser.add_argument(flag, type=reader(str, flag), default=default, metavar="FILE", help=text, required=needed)
    add_fields(parser, "adapters", finetune.LoRAConfig, {}, without=["target_modules"])
    layers = "layers with adapters, such as q_proj v_proj (default: queries and values)"
    parser.add_argument("--target-modules", nargs="+", default=None, metavar="TEXT", help=layers)
    without = {field.name for field in dataclasses.fields(training.TrainConfig)} - _TRAIN
    add_fields(parser, "training", training.TrainConfig, DEFAULTS, without=without)


def run(options: argparse.Namespace) -> None:
    """Trains adapters, says what held-out answers cost before and after, and keeps the adapters."""
    out, base = Path(options.out), options.model
    if Path(base).exists():
        base = str(Path(base).resolve())  # the adapters name it from wherever they are opened
    _refuse_other_run(out, base)
    settings = DEFAULTS | {name: value for name, value in vars(options).items() if value is not None}
    if "warmup_steps" not in vars(options):
        settings["warmup_steps"] = min(settings["warmup_steps"], settings["steps"] // 10)
    lora = config_of(finetune.LoRAConfig, settings)
    config = config_of(training.TrainConfig, settings | {"checkpoint_dir": out / "checkpoints"})
    train, validation = _conversations(options)
    model, tokenizer = open_model(options.model)
    batches = finetune.ChatBatches(tokenizer, train, validation, block_size=model.config.block_size)
    runtime.seed_everything(config.seed)
    finetune.add_lora(model.to(runtime.pick_device(config.device)), lora)
    moving = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    print(
        f"{len(train):,} conversations to train on, {len(validation):,} to validate; {moving:,} numbers move",
        flush=True,
    )
    if known := count_asked_before(validation, train):
        print(f"of those to validate, {known:,} ask what was trained on: their cost says nothing of new questions")
    before = training.validate(model, batches, config.batch_size)
    history = training.fit(model, batches, config, watch=_Keeper(out, base))
    after = training.validate(model, batches, config.batch_size)
    print(history)
    print(f"held-out answers cost {before:.4f} nats a token before, {after:.4f} now")
    finetune.save_adapter(model, out, base=base)
    history.frame.to_csv(out / "history.csv")
    print(f"the adapters are in {out}: python -m companion chat --model {out}")


class _Keeper:
    """Writes what the run was made from, once its first step has shown that the run takes it."""

    def __init__(self, out: Path, model: str) -> None:
        self.path, self.model, self.written = out / _RUN_FILE, model, False

    def __call__(self, row: Row) -> None:
        if not self.written:
            self.path.write_text(json.dumps({"model": self.model}) + "\n", encoding="utf8")
            self.written = True


def _refuse_other_run(out: Path, model: str) -> None:
    """Refuses a folder with files in which no run began, and a run that began with another model."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"expected --out to be a folder, got the file {out}: name another")
    if out.is_dir() and any(out.iterdir()) and not (out / "checkpoints").is_dir():
        raise ValueError(f"expected an empty or new folder for --out, or that of a run, got {out} with other files")
    told = out / _RUN_FILE
    if told.is_file() and (began := json.loads(told.read_text(encoding="utf8"))["model"]) != model:
        raise ValueError(
            f"expected --model {began}, with which the run in {out} began, got {model}: name another --out"
        )


def _conversations(
    options: argparse.Namespace,
) -> tuple[list[Conversation], list[Conversation]]:
    """Training and validation conversations."""
    found = finetune.read_conversations(options.data)
    if options.validation is not None:
        return found, finetune.read_conversations(options.validation)
    return finetune.hold_out(found)
