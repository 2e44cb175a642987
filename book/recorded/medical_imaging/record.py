"""The networks of *Medical imaging*, and what they say of patients whom they never saw.

    python book/recorded/medical_imaging/record.py              # all, about 4 minutes on one core
    python book/recorded/medical_imaging/record.py regions      # one of regions, types, test, single, baseline, calibration, fresh

The weights go to companion/cases/segmentation, where the command reads them.
"""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from scipy import ndimage
from scipy.special import softmax

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import Run, record, write

from companion.cases.segmentation import finding
from companion.cases.segmentation.patients import synthetic_patient
from companion.data import TensorBatches
from companion.training import TrainConfig, fit

HERE = Path(__file__).parent
WEIGHTS = Path(finding.__file__).parent
CROP = 48
REGION_SEEDS = range(10_000, 10_600)  # who the U-Net learns from
TYPE_SEEDS = range(20_000, 20_250)  # who the classifier learns from
SINGLE_SEEDS = range(30_000, 31_400)  # of each of these one slice
CALIBRATION = 700  # of them calibrate, the others test
TEST_SEEDS = range(40_000, 40_120)  # of these six each
FRESH_SEEDS = range(
    50_000, 50_120
)  # six each of patients whom nobody had looked at
FRESH_SINGLE = range(60_000, 60_700)  # and one slice each


def slices(seed, lesion_probability=0.5, n_slices=6):
    """The slices of a patient, normalized, and the kind planted at each pixel."""
    patient = synthetic_patient(
        seed, n_slices=n_slices, lesion_probability=lesion_probability
    )
    images = np.stack([finding.normalize(image) for image in patient.images])
    return images, patient.types


def crops(seeds):
    """Squares for the U-Net: of each slice one anywhere, and two near a lesion where there is one."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for seed in seeds:
        for image, types in zip(*slices(seed, 0.8), strict=True):
            places = [np.argwhere(image > 0.3)]
            if types.any():
                places += [np.argwhere(types > 0)] * 2
            for among in places:
                center = among[rng.integers(len(among))] + rng.integers(-14, 15, 2)
                y, x = np.clip(center - CROP // 2, 0, np.array(image.shape) - CROP)
                square = np.s_[y : y + CROP, x : x + CROP]
                turn = np.s_[:, :: rng.choice([-1, 1])]
                images.append(image[square][turn])
                masks.append(types[square][turn] > 0)
    return (
        torch.from_numpy(np.stack(images))[:, None],
        torch.from_numpy(np.stack(masks)).long(),
    )


def halved(model, name):
    """Saves the weights as float16."""
    tensors = {
        key: value.half().contiguous() if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    save_file(tensors, WEIGHTS / f"{name}.safetensors")


def regions(steps=3_000):
    """The U-Net; a run that was cut off goes on from its last checkpoint."""
    checkpoints = Path(tempfile.gettempdir()) / "medical_imaging_regions"
    torch.manual_seed(0)
    model = finding.region_network()
    config = TrainConfig(
        steps=steps,
        batch_size=16,
        optimizer="adamw",
        lr=3e-3,
        warmup_steps=100,
        precision="fp32",
        device="cpu",
        seed=0,
        checkpoint_dir=checkpoints,
        checkpoint_every=100,
        keep_checkpoints=1,
    )
    history = fit(model, TensorBatches(crops(REGION_SEEDS)), config)
    halved(model, "regions")
    shutil.rmtree(checkpoints)
    rows = [
        (i, f"{v:.5f}")
        for i, v in enumerate(history.frame["loss"], 1)
        if i % 25 == 0
    ]
    write(HERE / "regions.csv", ("step", "nats_a_pixel"), rows)


def proposals(seeds, **options):
    """Of each slice: seed, slice, kinds planted, probability, proposals and the kind of each of them."""
    network = finding.region_network()
    network.load_state_dict(finding.weights("regions"))
    for seed in seeds:
        images, planted = slices(seed, **options)
        found = finding.lesion_probability(network, images)
        for level, (image, kinds, probability) in enumerate(
            zip(images, planted, found, strict=True)
        ):
            proposed = finding.propose(image, probability)
            truth = [
                int(kinds[proposed.numbers == number].max())
                for number in range(1, proposed.numbers.max() + 1)
            ]
            yield seed, level, kinds, probability, proposed, truth


def types(steps=800):
    """The classifier, on what the U-Net proposes in patients that it did not learn from."""
    rows = [
        (proposed.patches, kinds)
        for *_, proposed, kinds in proposals(TYPE_SEEDS, lesion_probability=0.8)
        if kinds
    ]
    patches = torch.cat([each for each, _ in rows])
    labels = torch.tensor([kind for _, kinds in rows for kind in kinds])
    patches = torch.cat([patches, patches.flip(3), patches.flip(2)])
    torch.manual_seed(0)
    model = finding.type_network()
    config = TrainConfig(
        steps=steps,
        batch_size=64,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.05,
        warmup_steps=50,
        precision="fp32",
        device="cpu",
        seed=0,
    )
    history = fit(model, TensorBatches((patches, labels.repeat(3))), config)
    halved(model, "types")
    rows = [
        (i, f"{v:.5f}")
        for i, v in enumerate(history.frame["loss"], 1)
        if i % 25 == 0
    ]
    write(HERE / "types.csv", ("step", "nats_a_region"), rows)


def classifier():
    """The trained classifier."""
    model = finding.type_network()
    model.load_state_dict(finding.weights("types"))
    return model.eval()


def pixels(seeds, name):
    """Probabilities and planted kinds of every pixel of these patients, and the logits of each proposal."""
    model, maps, planted, table = classifier(), [], [], []
    for seed, level, kinds, probability, proposed, truth in proposals(seeds):
        maps.append(np.round(probability * 255).astype(np.uint8))
        planted.append(kinds)
        logits = finding.type_logits(model, proposed.patches)
        table += [
            (seed, level, number, kind, *(f"{value:.4f}" for value in row))
            for number, (kind, row) in enumerate(
                zip(truth, logits, strict=True), start=1
            )
        ]
    np.savez_compressed(
        HERE / f"{name}.npz",
        probability=np.stack(maps),
        types=np.stack(planted),
    )
    header = ("seed", "slice", "region", "type", "z0", "z1", "z2", "z3")
    write(HERE / f"{name}.csv", header, table)


def worst_regions(seeds, name):
    """One slice of each of many patients: what is planted, and the logits of the most suspicious proposal."""
    model, table = classifier(), []
    for seed, _, kinds, _, proposed, _ in proposals(
        seeds, n_slices=1, lesion_probability=1 / 3
    ):
        logits = finding.type_logits(model, proposed.patches)
        row = [""] * 4
        if len(logits):
            worst = logits[finding.most_suspicious(logits)]
            row = [f"{value:.4f}" for value in worst]
        table.append(
            (seed, int(kinds.max()), int((kinds > 0).sum()), len(logits), *row)
        )
    header = ("seed", "type", "pixels", "regions", "z0", "z1", "z2", "z3")
    write(HERE / f"{name}.csv", header, table)


def test():
    """Of the test patients six slices each."""
    pixels(TEST_SEEDS, "test")


def single():
    """Of many patients one slice each."""
    worst_regions(SINGLE_SEEDS, "single")


def fresh():
    """The frozen networks on patients whom nobody had looked at, scored once: as ``test`` and as ``single``."""
    pixels(FRESH_SEEDS, "fresh")
    worst_regions(FRESH_SINGLE, "fresh.single")


def calibration():
    """What the first half of the single slices teach, and how the slices look."""
    from companion.cases.segmentation import calibration, decision
    from companion.stats import temperature_scaling

    table = pd.read_csv(HERE / "single.csv").iloc[:CALIBRATION]
    seen = table["regions"] > 0
    logits = table.loc[seen, ["z0", "z1", "z2", "z3"]].to_numpy()
    kinds = table["type"].to_numpy()
    temperature = temperature_scaling(logits, kinds[seen]).temperature.estimate
    counts = np.bincount(kinds[~seen], minlength=4) + 0.25
    sure = np.full((len(table), 4), counts / counts.sum())
    sure[seen] = softmax(logits / temperature, axis=1)
    right = sure.argmax(axis=1) == kinds
    looks = np.stack(
        [
            calibration.looks(slices(seed, 1 / 3, n_slices=1)[0][0])
            for seed in SINGLE_SEEDS[:CALIBRATION:2]
        ]
    )
    center, precision = looks.mean(axis=0), np.linalg.inv(np.cov(looks.T))
    away = looks - center
    far = np.sqrt(np.einsum("il,lm,im->i", away, precision, away))
    calibration.Calibration(
        temperature=round(temperature, 4),
        no_region=tuple((counts / counts.sum()).round(4).tolist()),
        answer_from=decision.deferral_threshold(sure.max(axis=1), right, risk=0.1),
        center=tuple(center.round(5).tolist()),
        precision=tuple(map(tuple, precision.round(3).tolist())),
        familiar_to=round(float(np.quantile(far, 0.99)), 2),
    ).save()
    files = ("regions.safetensors", "types.safetensors", "calibration.json")
    digests = [
        (each, hashlib.sha256((WEIGHTS / each).read_bytes()).hexdigest())
        for each in files
    ]
    write(HERE / "calibration.csv", ("file", "sha256"), digests)


def baseline():
    """The free baseline on the single slices: how far the brightest and the darkest blob inside stand out."""
    table = []
    for seed in SINGLE_SEEDS:
        image = slices(seed, 1 / 3, n_slices=1)[0][0]
        inside = ndimage.binary_erosion(image > 0.35, iterations=3)
        row = [seed]
        for sigma in (1.5, 3.0):
            blobs = sigma**2 * ndimage.gaussian_laplace(image, sigma)[inside]
            row += [f"{blobs.max():.4f}", f"{-blobs.min():.4f}"]
        table.append(row)
    write(
        HERE / "baseline.csv",
        ("seed", "dark1", "bright1", "dark3", "bright3"),
        table,
    )


RUNS = {
    "regions": Run(regions, packages=("scipy",)),
    "types": Run(types, packages=("scipy",)),
    "test": Run(test, packages=("scipy",)),
    "single": Run(single, packages=("scipy",)),
    "baseline": Run(baseline, packages=("scipy",)),
    "fresh": Run(fresh, packages=("scipy",)),
    "calibration": Run(calibration, packages=("scipy", "pandas")),
}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
