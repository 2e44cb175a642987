"""Makes the recorded runs of the chapter on explanations again: ``python book/recorded/interpretability/record.py``.

``rules``: networks that learned six planted rules, five of each, and smaller ones. ``compressed``: the same networks, cut
and trained on, or only trained on. ``credit``: what four models say of 1,000 real applicants whom they were not fitted on.
``refits``: the four principal reasons for refused applicants, from models fitted again on other samples, and with other seeds.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor
from torch.nn import functional as F

from companion.data import GERMAN_PROTECTED, german_credit
from companion.trust import masking_value, sampled_shapley

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
SEEDS, ROWS, STEPS, WIDTH, SMALL = range(5), 2_000, 1_200, 24, 8
REFITS, EXPLAINED, ORDERS, REFERENCE = 10, 30, 50, 16


# Six rules: the first four features may decide, the others are their shadows


def applicants(n: int, seed: int) -> Tensor:
    """Standard normal features [n, 8]: each of the last four goes along with one of the first, at 0.9."""
    x = np.random.default_rng(seed).standard_normal((n, 8))
    x[:, 4:] = 0.9 * x[:, :4] + np.sqrt(1 - 0.9**2) * x[:, 4:]
    return torch.from_numpy(x)


def either(x: Tensor) -> Tensor:
    """One of two alarms is enough."""
    return 1 - torch.sigmoid(8 * (0.5 - x[:, :2])).prod(1)


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x[:, 0] + x[:, 1] - x[:, 2],
    "product": lambda x: 2 * x[:, 0] * x[:, 1],
    "switch": lambda x: torch.where(
        x[:, 0] > 0, 2 * x[:, 1], 2 * x[:, 2] * x[:, 3]
    ),
    "worst of": lambda x: x[:, :3].amax(1),
    "cap": lambda x: x[:, :2].clamp(-0.5, 0.5).sum(1),
    "either": either,
}


def networks(width: int) -> dict[str, Tensor]:
    """Thirty networks of two hidden layers at once, drawn as torch draws them: tensors [rule, seed, in, out]."""
    sizes = {"1": (8, width), "2": (width, width), "3": (width, 1)}
    rng, drawn = torch.Generator().manual_seed(width), {}
    for name, (fan_in, out) in sizes.items():
        for part, shape in (("w", (fan_in, out)), ("b", (1, out))):
            uniform = torch.rand(len(RULES), len(SEEDS), *shape, generator=rng)
            drawn[part + name] = (2 * uniform - 1) / fan_in**0.5
    return drawn


def outputs(nets: dict[str, Tensor], x: Tensor) -> Tensor:
    """What each network says of its own applicants: [rule, seed, rows]."""
    for layer in ("1", "2"):
        x = F.gelu(x @ nets["w" + layer] + nets["b" + layer])
    return (x @ nets["w3"] + nets["b3"])[..., 0]


def samples() -> tuple[Tensor, Tensor]:
    """Applicants [rule, seed, rows, 8] and what came of them: the rule, standardized, with noise."""
    x = torch.stack([applicants(ROWS, 100 + seed) for seed in SEEDS])
    said = torch.stack(
        [torch.stack([rule(rows) for rows in x]) for rule in RULES.values()]
    )
    noise = torch.stack(
        [
            torch.from_numpy(np.random.default_rng(seed).standard_normal(ROWS))
            for seed in SEEDS
        ]
    )
    y = (said - said.mean(-1, keepdim=True)) / said.std(
        -1, keepdim=True
    ) + 0.3 * noise
    return x.expand(len(RULES), -1, -1, -1).float(), y.float()


def trained(
    start: dict[str, Tensor], masks: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Each on its own sample; the sum of the losses makes each gradient its own."""
    nets = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.AdamW(nets.values(), lr=3e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    rng, (x, y) = torch.Generator().manual_seed(0), samples()
    for _ in range(STEPS):
        rows = torch.randint(ROWS, (128,), generator=rng)
        loss = (
            (outputs(nets, x[:, :, rows]) - y[:, :, rows]).square().mean(-1).sum()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        with torch.no_grad():
            for name, mask in (masks or {}).items():
                nets[name].mul_(mask)
    return {name: value.detach() for name, value in nets.items()}


def saved(kinds: dict[str, dict[str, Tensor]], file: str) -> list[str]:
    """One file, names as ``kind/tensor``."""
    tensors = {
        f"{kind}/{name}": value
        for kind, nets in kinds.items()
        for name, value in nets.items()
    }
    save_file(
        {name: value.contiguous() for name, value in tensors.items()}, HERE / file
    )
    return [file]


def record_rules() -> list[str]:
    """Thirty networks, and thirty with a third of the units."""
    kinds = {
        name: trained(networks(width))
        for name, width in (("whole", WIDTH), ("small", SMALL))
    }
    return saved(kinds, "rules.safetensors")


def record_compressed() -> list[str]:
    """Four fifths of each matrix at zero, and on for as many steps again; and on without a cut."""
    whole = trained(networks(WIDTH))
    masks = {}
    for name in ("w1", "w2", "w3"):
        size = whole[name].abs().flatten(2)
        least = size.sort(-1).values[..., int(0.8 * size.shape[-1])]
        masks[name] = (whole[name].abs() >= least[..., None, None]).float()
    cut = {name: value * masks.get(name, 1) for name, value in whole.items()}
    return saved(
        {"cut": trained(cut, masks), "on": trained(whole)}, "compressed.safetensors"
    )


# Real loans


def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Seventeen facts about each applicant, and whether the loan went bad."""
    loans = german_credit(words="codes").drop(columns=[*GERMAN_PROTECTED])
    return loans.drop(columns="bad"), loans["bad"].to_numpy()


def pipeline(model: BaseEstimator) -> Pipeline:
    """Numbers standardized, codes as zeros and ones, then the model."""
    x, _ = table()
    numbers = list(x.select_dtypes("number").columns)
    words = [name for name in x.columns if name not in numbers]
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    return make_pipeline(
        make_column_transformer((StandardScaler(), numbers), (encoder, words)),
        model,
    )


def boosted(seed: int) -> GradientBoostingClassifier:
    """A hundred small trees, each on 70% of the rows."""
    return GradientBoostingClassifier(
        n_estimators=100, learning_rate=0.07, subsample=0.7, random_state=seed
    )


MODELS: dict[str, BaseEstimator] = {
    "logistic": LogisticRegression(C=0.3, max_iter=1_000),
    "boosted": boosted(0),
    "forest": RandomForestClassifier(300, min_samples_leaf=3, random_state=0),
    "network": MLPClassifier((32,), alpha=1.0, max_iter=300, random_state=0),
}


def record_credit() -> list[str]:
    """Out of fold: ten folds, the same for all."""
    x, bad = table()
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    said = {
        name: cross_val_predict(
            pipeline(model), x, bad, cv=folds, method="predict_proba"
        )[:, 1]
        for name, model in MODELS.items()
    }
    rows = zip(
        range(len(x)),
        bad,
        *(values.round(5) for values in said.values()),
        strict=True,
    )
    write(HERE / "credit.csv", ("applicant", "bad", *said), rows)
    return ["credit.csv"]


def reasons(
    model: Pipeline, x: pd.DataFrame, reference: pd.DataFrame, who: list[int]
) -> Iterator[tuple[int, list[str]]]:
    """The four facts with the largest Shapley values, toward refusal, for each of ``who``.

    Exact where the model is linear, else sampled. A fact is known or not with all its columns of the design.
    """
    encode, last = model[0].transform, model[-1]
    facts = [*model[0].transformers_[0][2], *model[0].transformers_[1][2]]
    owner = np.array(
        [
            facts.index(name.split("__")[1].split("_A")[0])
            for name in model[0].get_feature_names_out()
        ]
    )
    rest = encode(reference)
    for row in who:
        design = encode(x.loc[[row]])[0]
        if hasattr(last, "coef_"):
            values = np.bincount(owner, last.coef_[0] * (design - rest.mean(0)))
        else:
            value = masking_value(last.decision_function, design, rest)
            game = lambda known, value=value: value(known[:, owner])  # noqa: E731
            values = sampled_shapley(game, len(facts), orders=ORDERS, seed=0).values
        yield row, [facts[j] for j in np.argsort(-values)[:4]]


def refit_rows() -> Iterator[tuple[object, ...]]:
    """A row a model, refit and applicant: 30 held out, those whom logistic regression doubts most."""
    x, bad = table()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    fitted, held = order[:800], order[800:]
    reference = x.iloc[rng.choice(fitted, REFERENCE, replace=False)]
    first = clone(pipeline(MODELS["logistic"])).fit(x.iloc[fitted], bad[fitted])
    doubtful = first.predict_proba(x.iloc[held])[:, 1]
    who = [int(row) for row in held[np.argsort(-doubtful)[:EXPLAINED]]]
    for run in range(REFITS + 1):
        again = fitted if run == 0 else rng.choice(fitted, len(fitted))
        kinds = {"logistic": MODELS["logistic"], "boosted": boosted(0)}
        fits = {name: (pipeline(model), again) for name, model in kinds.items()}
        if run:
            fits["boosted, another seed"] = (pipeline(boosted(run)), fitted)
        for name, (model, rows) in fits.items():
            model.fit(x.iloc[rows], bad[rows])
            for row, four in reasons(model, x, reference, who):
                yield name, run, row, *four


def record_refits() -> list[str]:
    """Run 0 is fitted on all 800, the others on samples of them with replacement or with another seed."""
    write(
        HERE / "refits.csv",
        ("model", "run", "applicant", "first", "second", "third", "fourth"),
        refit_rows(),
    )
    return ["refits.csv"]


RUNS = {
    "rules": Run(record_rules, SEEDS),
    "compressed": Run(record_compressed, SEEDS),
    "credit": Run(record_credit, (0,), ("scikit-learn", "pandas")),
    "refits": Run(record_refits, range(REFITS + 1), ("scikit-learn", "pandas")),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
