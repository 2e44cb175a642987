"""Makes the recorded runs of the chapter *Learning paradigms* again: ``python book/recorded/learning_paradigms/record.py``.

``tuning``: accuracy on validation rows by setting. ``labels``: accuracy on test rows by way of learning, draw and
number of labels. ``outcomes``: the same where only right or wrong is told; ``started``: after 15 labels; ``explored``: where every tenth
guess is drawn at random; ``frozen``: labels that are spread over the pool, and nothing learned after. ``cartpole``: actor
and critic, three seeds.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading
from torch import nn

from companion import data
from companion.models import ActorCritic, ActorCriticConfig, rollout

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
COUNTS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200)
FEW = tuple(n for n in COUNTS if n <= 80)  # medoids cost a clustering each
SEEDS, TUNING_SEEDS = range(20), range(100, 103)
C, NEIGHBORS, HIDDEN_FRACTION, PENALTY = 100.0, 10, 0.25, 0.03  # by tuning.csv
Rows = list[tuple[object, ...]]
EMPTY = np.empty(0, dtype=np.int64)  # no rows


def draw(
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pool of 1,000 scans and their labels, 597 test scans and theirs; the same 200 validation rows are left out."""
    images, labels = data.digits()
    scans, labels = images.flatten(1).double().numpy(), labels.numpy()
    kept = np.random.default_rng(2026).permutation(len(scans))[200:]
    order = np.random.default_rng(seed).permutation(kept)
    pool, test = order[:1000], order[1000:]
    return scans[pool], labels[pool], scans[test], labels[test]


def validation() -> tuple[np.ndarray, np.ndarray]:
    """The 200 rows that choose settings."""
    images, labels = data.digits()
    rows = np.random.default_rng(2026).permutation(len(images))[:200]
    return images.flatten(1).double().numpy()[rows], labels.numpy()[rows]


def medoids(pool: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows of the pool nearest to the centers of n clusters."""
    return (
        KMeans(n, n_init=3, random_state=seed).fit(pool).transform(pool).argmin(0)
    )


def one_of_each(labels: np.ndarray) -> np.ndarray:
    """The order of the pool, but with ten classes in every ten labels: nobody could draw so without the labels."""
    turn = np.zeros(len(labels), dtype=int)
    for digit in range(10):
        turn[labels == digit] = np.arange((labels == digit).sum())
    return np.argsort(turn, kind="stable")


def spread(
    pool: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    scans: np.ndarray,
    k: int = NEIGHBORS,
) -> np.ndarray:
    """Labels of scans, from those of a few rows, spread over the pool's graph of k nearest neighbors."""
    known = np.full(len(pool), -1)
    known[rows] = labels
    model = LabelSpreading(kernel="knn", n_neighbors=k, max_iter=200)
    with warnings.catch_warnings():  # a part of the graph that no label reaches
        warnings.simplefilter("ignore", RuntimeWarning)
        return model.fit(pool, known).predict(scans)


class Masked(nn.Module):
    """Tells hidden pixels from the others: a hidden layer of 256 units that reads pixels and what is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(128, 256), nn.ReLU())
        self.decoder = nn.Linear(256, 64)

    def forward(self, scans: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """The pixels, of scans whose hidden ones are set to 0."""
        seen = torch.cat([scans * ~hidden, ~hidden], dim=1)
        return self.decoder(self.encoder(seen))


def pretrain(
    pool: np.ndarray, seed: int, fraction: float = HIDDEN_FRACTION
) -> Callable[[np.ndarray], np.ndarray]:
    """What the hidden layer makes of scans, trained on the pool without a label."""
    torch.manual_seed(seed)
    model, scans = Masked(), torch.from_numpy(pool).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(1500):
        batch = scans[torch.randint(len(scans), (64,))]
        hidden = torch.rand_like(batch) < fraction
        loss = (model(batch, hidden) - batch)[hidden].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def features(scans: np.ndarray) -> np.ndarray:
        seen = torch.from_numpy(scans).float()
        found = model.encoder(torch.cat([seen, torch.ones_like(seen)], dim=1))
        return found.double().numpy()

    return features


def logistic(c: float = C) -> LogisticRegression:
    """Logistic regression with penalty 1 / c."""
    return LogisticRegression(C=c, max_iter=1000)


def probe(
    pool: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    features: Callable[[np.ndarray], np.ndarray],
    c: float,
) -> Callable[[np.ndarray], np.ndarray]:
    """Logistic regression on the features, in units of their spread over the pool."""
    scale = features(pool).std()
    fitted = logistic(c).fit(features(pool[rows]) / scale, labels)
    return lambda scans: fitted.predict(features(scans) / scale)


def learn_from_outcomes(
    pool: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    answers: np.ndarray,
    seed: int,
    penalty: float = PENALTY,
    total: int = 1500,
    known: np.ndarray = EMPTY,
    explore: float = 0.0,
) -> Rows:
    """Guesses, hears right or wrong, and fits the likelihood of what it heard; after every 50: errors, accuracy, digits lost.

    A share ``explore`` of the guesses is uniform over the digits, whatever the model says.
    """
    generator = torch.Generator().manual_seed(seed)
    scans, future = (
        torch.from_numpy(np.c_[x, np.ones(len(x))]).float() for x in (pool, test)
    )
    truth, weights = torch.from_numpy(labels), torch.zeros(65, 10)
    weights.requires_grad_()
    customers = torch.cat(
        [torch.randperm(len(scans), generator=generator) for _ in range(2)]
    )
    start, rows = torch.from_numpy(known), []
    guesses = truth[start]  # a label is a right guess
    if len(known):
        right = torch.ones(len(known), dtype=torch.bool)
        fit_outcomes(weights, scans[start], guesses, right, penalty)
    for heard in range(50, total + 1, 50):
        seen = torch.cat([start, customers[:heard]])
        with torch.no_grad():
            chances = (scans[seen[-50:]] @ weights).softmax(1)
        chances = (1 - explore) * chances + explore / 10
        new = torch.multinomial(chances, 1, generator=generator)[:, 0]
        guesses = torch.cat([guesses, new])
        right = guesses == truth[seen]
        fit_outcomes(weights, scans[seen], guesses, right, penalty)
        found = (future @ weights).argmax(1).numpy()
        wrong, accuracy = int((~right).sum()), float((found == answers).mean())
        recalls = [np.mean(found[answers == digit] == digit) for digit in range(10)]
        rows.append((heard, wrong, accuracy, sum(r < 0.1 for r in recalls)))
    return rows


def fit_outcomes(
    weights: torch.Tensor,
    scans: torch.Tensor,
    guesses: torch.Tensor,
    right: torch.Tensor,
    penalty: float,
) -> None:
    """Minimizes −log p of each right guess and −log(1 − p) of each wrong one, plus the penalty."""
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=20, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logs = (scans @ weights).log_softmax(1).gather(1, guesses[:, None])[:, 0]
        wrong = torch.log1p(-logs.exp().clamp(max=1 - 1e-6))
        loss = -torch.where(right, logs, wrong).sum()
        loss = loss + penalty / 2 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)


def record_tuning() -> None:
    """Settings of each way at 20 and at 50 random labels (400 outcomes): accuracy on the validation rows."""
    rows: Rows = []
    for seed in TUNING_SEEDS:
        rows += [(*row[:2], seed, *row[2:]) for row in settings(seed)]
    write(
        HERE / "tuning.csv", ("way", "setting", "seed", "labels", "accuracy"), rows
    )


def settings(seed: int) -> Rows:
    """One draw: way, setting, labels, accuracy on the validation rows."""
    (pool, labels, _, _), (scans, answers) = draw(seed), validation()
    features = {f: pretrain(pool, seed, f) for f in (0.25, 0.5, 0.75)}
    found: list[tuple[str, float, int, np.ndarray]] = []
    for n in (20, 50):
        few, y = np.arange(n), labels[:n]
        for c in (0.1, 1.0, 10.0, 100.0):
            fitted = logistic(c).fit(pool[few], y)
            found.append(("logistic", c, n, fitted.predict(scans)))
        for k in (3, 5, 7, 10, 15):
            found.append(("spreading", k, n, spread(pool, few, y, scans, k)))
        for fraction, seen in features.items():
            predict = probe(pool, few, y, seen, 1.0)
            found.append(("masking", fraction, n, predict(scans)))
    rows: Rows = [
        (*f[:3], round(float((f[3] == answers).mean()), 4)) for f in found
    ]
    for penalty in (0.01, 0.03, 0.1):
        *_, last = learn_from_outcomes(
            pool, labels, scans, answers, seed, penalty, 400
        )
        rows.append(("outcomes", penalty, 400, round(float(str(last[2])), 4)))
    return rows


def curves(seed: int) -> Rows:
    """One draw: accuracy of each way by the number of labels, and how many classes were among them."""
    pool, labels, test, answers = draw(seed)
    features, rows = pretrain(pool, seed), []

    def note(way: str, picked: str, few: np.ndarray, found: np.ndarray) -> None:
        accuracy = round(float((found == answers).mean()), 5)
        classes = len(set(labels[few]))
        rows.append((way, picked, seed, len(few), classes, accuracy))

    each = one_of_each(labels)
    for n in COUNTS:
        chosen = {"random": np.arange(n), "one of each": each[:n]}
        if n in FEW:
            chosen["medoids"] = medoids(pool, n, seed)
        for picked, few in chosen.items():
            x, y = pool[few], labels[few]
            note("logistic", picked, few, logistic().fit(x, y).predict(test))
            nearest = KNeighborsClassifier(1).fit(x, y)
            note("nearest", picked, few, nearest.predict(test))
            if n in FEW or picked == "random":
                note("spreading", picked, few, spread(pool, few, y, test))
            if picked == "random":
                found = probe(pool, few, y, features, 1.0)(test)
                note("masking", picked, few, found)
    return rows


def record_labels() -> None:
    """All draws."""
    header = ("way", "picked", "seed", "labels", "classes", "accuracy")
    write(
        HERE / "labels.csv", header, [row for seed in SEEDS for row in curves(seed)]
    )


def record_outcomes() -> None:
    """All draws, learned from right and wrong; a digit is lost of which less than a tenth is read."""
    write_outcomes("outcomes.csv", lambda pool, seed: EMPTY)


def record_started() -> None:
    """The same, started with the labels of 15 medoids."""
    write_outcomes("started.csv", lambda pool, seed: medoids(pool, 15, seed))


def record_explored() -> None:
    """The same without labels, with one tenth of the guesses uniform."""
    write_outcomes("explored.csv", lambda pool, seed: EMPTY, explore=0.1)


def write_outcomes(
    name: str,
    known: Callable[[np.ndarray, int], np.ndarray],
    explore: float = 0.0,
) -> None:
    """What each draw has after every 50 outcomes."""
    rows: Rows = []
    for seed in SEEDS:
        drawn = draw(seed)
        start = known(drawn[0], seed)
        for heard, wrong, accuracy, lost in learn_from_outcomes(
            *drawn, seed, known=start, explore=explore
        ):
            rows.append((seed, heard, wrong, round(float(str(accuracy)), 5), lost))
    write(HERE / name, ("seed", "outcomes", "wrong", "accuracy", "lost"), rows)


def record_frozen() -> None:
    """Wrong labels among 1,500 customers of each draw's pool, where the labels of a few medoids are spread over it."""
    rows: Rows = []
    for seed in SEEDS:
        pool, labels, _, _ = draw(seed)
        for n in (15, 60):
            known, few = np.full(len(pool), -1), medoids(pool, n, seed)
            known[few] = labels[few]
            model = LabelSpreading(
                kernel="knn", n_neighbors=NEIGHBORS, max_iter=1_000, tol=1e-9
            )
            with warnings.catch_warnings():  # a part that no label reaches
                warnings.simplefilter("ignore", RuntimeWarning)
                found = model.fit(pool, known).transduction_
            rows.append(
                (seed, n, round(1_500 * float((found != labels).mean()), 1))
            )
    write(HERE / "frozen.csv", ("seed", "labels", "wrong"), rows)


def record_cartpole() -> None:
    """Proximal policy optimization, 80 updates of 16 · 64 steps: weights, and episodes that ended on the way."""
    rows: Rows = []
    weights: dict[str, torch.Tensor] = {}
    for seed in range(3):
        model, ends = train(seed, updates=80)
        rows += [(seed, *row) for row in ends]
        for name, each in model.state_dict().items():
            weights[f"{seed}.{name}"] = each.clone()
    save_file(weights, HERE / "cartpole.safetensors")
    write(HERE / "cartpole.csv", ("seed", "steps", "falls", "mean_steps"), rows)


def train(seed: int, updates: int) -> tuple[ActorCritic, Rows]:
    """The model; and after each update the steps so far, the falls so far, and steps a fall within the update."""
    torch.manual_seed(seed)
    model = ActorCritic(ActorCriticConfig(features=4, actions=2))
    generator = torch.Generator().manual_seed(seed)
    environments = gymnasium.make_vec("CartPole-v1", num_envs=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimizer, 1.0, 0.0, total_iters=updates
    )
    last, steps, falls, rows = None, 0, 0, []
    for _ in range(updates):
        last = rollout(model, environments, 64, generator=generator, after=last)
        batch = last.batch(model, discount=0.99, trace_decay=0.95)
        for _ in range(6):
            for part in torch.randperm(len(batch[0])).chunk(4):
                optimizer.zero_grad()
                model.loss(*(tensor[part] for tensor in batch)).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
        schedule.step()
        fallen = int(last.terminated.sum())
        steps, falls = steps + len(batch[0]), falls + fallen
        rows.append((steps, falls, round(len(batch[0]) / max(1, fallen), 1)))
    return model, rows


PACKAGES = ("scikit-learn", "gymnasium")
RUNS = {
    "tuning": Run(record_tuning, TUNING_SEEDS, PACKAGES),
    "labels": Run(record_labels, SEEDS, PACKAGES),
    "outcomes": Run(record_outcomes, SEEDS, PACKAGES),
    "started": Run(record_started, SEEDS, PACKAGES),
    "explored": Run(record_explored, SEEDS, PACKAGES),
    "frozen": Run(record_frozen, SEEDS, PACKAGES),
    "cartpole": Run(record_cartpole, range(3), PACKAGES),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
