"""What a run is: its settings, model and data, in a form that can be kept and compared, and that names what differs."""

import dataclasses
import json
import re
import textwrap
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed.fsdp import FSDPModule

from companion.data.fingerprint import digest_items
from companion.training import random_state
from companion.training.config import TrainConfig
from companion.training.frozen import fingerprint

#: Settings by their names, parts of the model as "model…" and of the data as "data…"; values as JSON gives them back.
Identity = dict[str, Any]
#: What may differ between a run and the one that goes on with it: none changes what has been learned, but for rounding.
_FREE = {
    "checkpoint_dir", "checkpoint_every", "compile", "device", "keep_checkpoints", "micro_batch_size", "parallel",
    "steps", "tensorboard",
}  # fmt: skip
_FROZEN = "frozen weights"  # the sum of them; runs of older versions, which kept them all, have none
_SHOWN = 4  # differences that a message names


def identify(model: nn.Module, data: Any, config: TrainConfig) -> Identity:
    """The identity of a run. The random generators stay as they were, whatever the data draws from them.

    Args:
        model: whose ``config``, where it is a dataclass, is kept, and each module's class and settings.
        data: the batches: what their ``fingerprint()`` says, or where they have none, a sum of a few training batches.
        config: the settings.
    """
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}
    states = random_state.capture()
    try:
        parts = data.fingerprint() if hasattr(data, "fingerprint") else _batch_sums(data, config)
    finally:
        random_state.restore(states)
    of_data = {f"data.{name}": value for name, value in parts.items()}
    described = {**settings, **_describe(model), _FROZEN: fingerprint(model), **of_data}
    identity: Identity = json.loads(json.dumps(described, default=_plain))
    return identity


def differences(theirs: Identity, mine: Identity) -> str:
    """What differs, with both values, as ``model.n_head=2, got model.n_head=4``; empty where nothing does."""
    names = [name for name in {**theirs, **mine} if theirs.get(name, "none") != mine.get(name, "none")]
    names = [name for name in names if name != _FROZEN]  # a sum tells a reader nothing
    # Of batches, those are compared that both runs have: a longer one sums more of them.
    names = [name for name in names if not name.startswith("data.batch ") or (name in theirs and name in mine)]
    if any(not name.startswith("model/") for name in names):
        names = [name for name in names if not name.startswith("model/")]  # modules follow from the model's config
    if not names:
        return ""
    shown, more = names[:_SHOWN], f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    had, got = (", ".join(f"{name}={_shown(side.get(name, 'none'))}" for name in shown) for side in (theirs, mine))
    return f"{had}{more}, got {got}{more}"


def refusal(run: Path, step: int, config: TrainConfig, theirs: Identity | None, mine: Identity) -> str:
    """Why a run must not go on with the one in a folder, which has taken ``step`` steps; empty where it may."""
    if theirs is None:
        return (
            f"expected a run in {run} that says what its model and data were, got one of an older version: "
            f"take another checkpoint_dir"
        )
    if differing := differences(theirs, mine):
        return (
            f"expected to go on with the run in {run}, which has {differing}: use the same, or another checkpoint_dir"
        )
    if theirs.get(_FROZEN, mine.get(_FROZEN)) != mine.get(_FROZEN):
        return (
            f"expected the frozen weights that the run in {run} began with, got others: start from the same base "
            f"model, for checkpoints leave them out, or take another checkpoint_dir"
        )
    if step > config.steps:
        return (
            f"expected steps of at least {step}, which the run in {run} has taken, got {config.steps}: "
            f"ask for more steps, or take another checkpoint_dir"
        )
    return ""


def _describe(model: nn.Module) -> dict[str, Any]:
    """The model's class and config, what is frozen, and a line a module, which has the rates of its dropout too."""
    config = getattr(model, "config", None)
    has_config = dataclasses.is_dataclass(config) and not isinstance(config, type)
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    settings = {f"model.{name}": value for name, value in dataclasses.asdict(config).items()} if has_config else {}  # type: ignore[arg-type]
    modules = {f"model/{name}": _line(module, all_settings=not has_config) for name, module in model.named_modules()}
    return {"model": _class(model), **settings, "model.frozen": ", ".join(frozen) or "none", **modules}


def _line(module: nn.Module, *, all_settings: bool) -> str:
    """A module's class and settings; ``all_settings`` adds attributes that it does not print, as a number of heads."""
    hidden = {
        name: value
        for name, value in vars(module).items()
        if all_settings and not name.startswith("_") and name != "training" and isinstance(value, int | float | str)
    }
    return f"{_class(module)}({module.extra_repr()}){hidden or ''}"


def _class(module: nn.Module) -> str:
    """The class's name, of a module that is split among processes too: FSDP2 puts one of its own before it."""
    return next(each.__name__ for each in type(module).__mro__ if not issubclass(each, FSDPModule))


def _batch_sums(data: Any, config: TrainConfig) -> dict[str, str | None]:
    """Sums of batches 0, 1, 10, 100 … of the run; None for what differs from reading to reading."""
    sums: dict[str, str | None] = {}
    for step in [0, *(10**power for power in range(len(str(config.steps))) if 10**power < config.steps)]:
        one, other = (digest_items(data.batch(step, config.batch_size, seed=config.seed)) for _ in range(2))
        sums[f"batch {step}"] = one if one == other else None
    return sums


def _plain(value: Any) -> Any:
    """What JSON has no form for, as a text that is the same in every process."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return getattr(value, "__qualname__", None) or re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _shown(value: Any) -> str:
    return textwrap.shorten(value if isinstance(value, str) else json.dumps(value), 200, placeholder=" …")
