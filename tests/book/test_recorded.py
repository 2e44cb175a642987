"""Recorded runs: each says how it was made, is small and is what was written; the cheapest is made again."""

import copy
import csv
import hashlib
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from companion.finetune import load_adapter

RECORDED = Path(__file__).parents[2] / "book" / "recorded"
FOLDERS = sorted(path.parent for path in RECORDED.glob("*/run.json"))
RUNS = [(folder, name) for folder in FOLDERS for name in json.loads((folder / "run.json").read_text(encoding="utf-8"))]
MEGABYTE = 2**20


@pytest.mark.parametrize(("folder", "name"), RUNS, ids=[f"{folder.name}-{name}" for folder, name in RUNS])
def test_a_run_says_how_it_was_made(folder: Path, name: str) -> None:
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))[name]
    assert {"command", "seeds", "machine", "date", "versions", "sha256"} <= set(run)
    assert {"python", "torch"} <= set(run["versions"])
    assert run["sha256"]
    for file, digest in run["sha256"].items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        assert (folder / file).stat().st_size <= 2 * MEGABYTE
    script = run["command"].split()[1]
    assert (RECORDED.parents[1] / script).is_file()


def test_every_recorded_file_belongs_to_a_run() -> None:
    for folder in FOLDERS:
        runs = json.loads((folder / "run.json").read_text(encoding="utf-8")).values()
        named = {name for run in runs for name in run["sha256"] if not name.startswith("../../../companion/cases/")}
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        others = {path.relative_to(folder).as_posix() for path in files} - {"run.json", "record.py"}
        assert others == named


def test_what_a_run_costs_counts_its_child_processes() -> None:
    cpu_seconds = load(RECORDED / "recording.py").cpu_seconds
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    before, own = cpu_seconds(), time.process_time()
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert cpu_seconds() - before >= 0.45 + time.process_time() - own


def test_all_are_small() -> None:
    assert sum(path.stat().st_size for path in RECORDED.rglob("*") if path.is_file()) <= 20 * MEGABYTE


@pytest.mark.slow
def test_the_cheapest_run_of_pretraining_comes_out_again() -> None:
    script = load(RECORDED / "pretraining" / "record.py")
    with (RECORDED / "pretraining" / "grid.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        width, steps, seed = (int(row[key]) for key in ("width", "steps", "seed"))
        parameters, loss = script.grid_cell(*script.tokens(), width, steps, seed)
    finally:
        torch.set_num_threads(before)
    assert parameters == int(row["parameters"])
    assert loss == pytest.approx(float(row["validation_nats"]), abs=0.02)


@pytest.mark.slow
def test_a_draw_of_learning_paradigms_comes_out_again() -> None:
    script = load(RECORDED / "learning_paradigms" / "record.py")
    with (RECORDED / "learning_paradigms" / "labels.csv").open(encoding="utf-8") as file:
        recorded = [row for row in csv.reader(file) if row[2] == "0"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = script.curves(0)
    finally:
        torch.set_num_threads(before)
    assert [(*row[:2], *map(int, row[2:5])) for row in recorded] == [row[:5] for row in again]
    for row, now in zip(recorded, again, strict=True):
        assert now[5] == pytest.approx(float(row[5]), abs=0.05 if row[0] == "masking" else 0.02)


@pytest.mark.slow
def test_the_cheapest_run_of_recurrence_comes_out_again() -> None:
    script = load(RECORDED / "recurrence" / "record.py")
    with (RECORDED / "recurrence" / "adding.csv").open(encoding="utf-8") as file:
        row = min(csv.DictReader(file), key=lambda row: int(row["length"]) * int(row["steps"]))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps, loss = script.adding_run(row["kind"], int(row["length"]), float(row["lr"]), int(row["seed"]))
    finally:
        torch.set_num_threads(before)
    assert loss < script.SOLVED
    assert float(row["loss"]) < script.SOLVED
    assert steps == pytest.approx(int(row["steps"]), rel=0.25)


@pytest.mark.slow
def test_the_cheapest_run_of_transformers_comes_out_again() -> None:
    script = load(RECORDED / "transformers" / "record.py")
    with (RECORDED / "transformers" / "induction.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == "one")
    layers, width, heads, seed = (int(row[key]) for key in ("layers", "width", "heads", "seed"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, right = script.repeating(layers, width, heads, script.INDUCTION_STEPS, seed)
    finally:
        torch.set_num_threads(before)
    assert right == pytest.approx(float(row["right"]), abs=0.05)


@pytest.mark.slow
def test_the_first_split_of_ensembles_comes_out_again() -> None:
    script = load(RECORDED / "ensembles" / "record.py")
    recorded = load_file(RECORDED / "ensembles" / "splits.safetensors")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        patients, five, fifty = script.split(0)
    finally:
        torch.set_num_threads(before)
    assert recorded["patients"][0].tolist() == patients.tolist()
    assert recorded["five"][0].numpy() == pytest.approx(five, abs=1)
    assert recorded["fifty"][0].numpy() == pytest.approx(fifty, abs=1)


@pytest.mark.slow
def test_the_first_label_of_probability_comes_out_again() -> None:
    script = load(RECORDED / "probability" / "record.py")
    with (RECORDED / "probability" / "answers.csv").open(encoding="utf-8") as file:
        kind, prompt, written, seconds = list(csv.reader(file))[1]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        row = script.answer(*script.smollm2(), kind, script.reviews()[0], script.SEED)
    finally:
        torch.set_num_threads(before)
    assert (row[0], row[1]) == (kind, int(prompt))
    assert row[2] == pytest.approx(int(written), abs=1)
    assert 0.05 < row[3] / float(seconds) < 20


@pytest.mark.slow
def test_the_first_reviews_of_linear_algebra_come_out_again() -> None:
    script = load(RECORDED / "linear_algebra" / "record.py")
    recorded = load_file(RECORDED / "linear_algebra" / "reviews.safetensors")["vectors"]
    assert recorded.shape == (script.REVIEWS, 384)
    assert torch.allclose(script.embed(64), recorded[:64].float(), atol=1e-3)


@pytest.mark.slow
def test_the_requests_of_deployment_come_out_again() -> None:
    """What was asked; how long the server took is another matter each time."""
    script = load(RECORDED / "deployment" / "record.py")
    _, tokenizer = script.smollm2()
    with (RECORDED / "deployment" / "load.requests.csv").open(encoding="utf-8") as file:
        recorded = {
            (row["load"], int(row["number"])): (row["kind"], int(row["prompt"])) for row in csv.DictReader(file)
        }
    again = {}
    for name, requests in script.work().items():
        for number, (kind, review) in enumerate(requests):
            asked = [{"role": "user", "content": script.PROMPTS[kind] + review}]
            again[name, number] = kind, len(tokenizer.apply_chat_template(asked, add_generation_prompt=True))
    assert {key: again[key] for key in recorded} == recorded
    assert len(recorded) == len(again) - 3  # the first three do not count


@pytest.mark.slow
def test_a_fold_of_data_comes_out_again() -> None:
    script = load(RECORDED / "data" / "record.py")
    with (RECORDED / "data" / "text.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts, _ = script.corpus()
    if [len(text.encode()) + 1 for text in texts] != [int(row["bytes"]) for row in rows]:
        pytest.skip("the installed scikit-learn has other docstrings than the recorded one")
    inside = [row["fold"] == "0" for row in rows]
    test = [text for text, held_out in zip(texts, inside, strict=True) if held_out]
    train = [text for text, held_out in zip(texts, inside, strict=True) if not held_out]
    recorded = [float(row["all"]) for row, held_out in zip(rows, inside, strict=True) if held_out]
    assert script.bits(train, test) == pytest.approx(recorded, abs=0.1)


@pytest.mark.slow
def test_the_narrowest_networks_of_hyperparameters_come_out_again() -> None:
    script = load(RECORDED / "hyperparameters" / "record.py")
    with (RECORDED / "hyperparameters" / "width.csv").open(encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["width"], row["rule"], row["seed"]) == ("16", "standard", "0")
        ]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        losses = script.losses(16, False, 0)
    finally:
        torch.set_num_threads(before)
    assert [float(row["rate"]) for row in rows] == pytest.approx(script.RATES, rel=1e-5)
    slow = [k for k, rate in enumerate(script.RATES) if rate < 2**-6]  # beyond them rounding grows
    assert [losses[k].item() for k in slow] == pytest.approx([float(rows[k]["loss"]) for k in slow], rel=0.02)


@pytest.mark.slow
def test_the_first_questions_of_judging_answers_come_out_again() -> None:
    script = load(RECORDED / "judging_answers" / "record.py")
    with (RECORDED / "judging_answers" / "choices.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["variant"] == "plain"]
    recorded = {(row["set"], int(row["question"])): row for row in rows}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = list(script.choice_rows("plain", 3))
    finally:
        torch.set_num_threads(before)
    assert len(again) == 3 * len(script.SETS)
    for _, name, number, scores in again:
        then = recorded[name, number]["log_likelihoods"].split()
        assert list(map(float, scores.split())) == pytest.approx(list(map(float, then)), abs=0.02)


@pytest.mark.slow
def test_the_first_review_and_network_of_compression_come_out_again() -> None:
    script = load(RECORDED / "compression" / "record.py")
    with (RECORDED / "compression" / "plain.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    with (RECORDED / "compression" / "planted.csv").open(encoding="utf-8") as file:
        networks = [each for each in csv.DictReader(file) if each["seed"] == "0"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        nats, top, score = script.Reader(script.plain).read(script.reviews("testing_data", 1)[0][0])
        again = list(script.planted_rows(0))
        ids = torch.cat(script.encode("The coffee is good."), dim=1)
        with torch.inference_mode():
            whole = script.plain(ids)
            gap = script.shuffled(copy.deepcopy(script.plain))(ids) - whole
    finally:
        torch.set_num_threads(before)
    assert (row["variant"], int(row["tokens"])) == ("fp32", len(top))
    assert (nats, score) == pytest.approx((float(row["nats"]), float(row["yes_above_no"])), abs=0.01)
    assert gap.abs().max() < 1e-5 * whole.abs().max()  # the same function
    assert [each["network"] for each in networks] == [each[1] for each in again]
    for each, now in zip(networks, again, strict=True):
        assert now[2:] == pytest.approx((float(each["right"]), float(each["on_truth"])), abs=0.05)


@pytest.mark.slow
def test_the_first_attempts_and_scans_of_robustness_come_out_again() -> None:
    script = load(RECORDED / "robustness" / "record.py")
    with (RECORDED / "robustness" / "assistant.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (RECORDED / "robustness" / "exact.csv").open(encoding="utf-8") as file:
        decided = [each for each in csv.DictReader(file) if (each["kind"], each["epsilon"]) == ("interval", "0.05")]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        defense, _, asked, shop = next(script.attempts())
        answer = script.answers(*script.smollm2(), [script.chat(script.SHOPS[shop], defense, asked)])[0]
        _, _, x, y = script.scans()
        model = script.trained("interval", 0)
        again = [
            script.trust.worst_case(model, x[i], int(y[i]), epsilon=0.05).robust
            for i in (int(each["row"]) for each in decided)
        ]
        right = (script.train("standard", 0)(x).argmax(1) == y).float().mean()
    finally:
        torch.set_num_threads(before)
    assert len(rows) == len(list(script.attempts()))
    assert answer == rows[0]["answer"]
    assert [str(each) for each in again] == [each["robust"] for each in decided]
    assert right > 0.93


@pytest.mark.slow
def test_the_first_requests_of_finetuning_come_out_again() -> None:
    folder = RECORDED / "finetuning"
    script = load(folder / "record.py")
    model, tokenizer = script.smollm2()
    for run, before in (("prompted.0", script.examples(0)), ("lora_0", script.told(listed=False))):
        if run == "lora_0":
            load_adapter(model, folder / "adapter")
        with (folder / f"{run}.csv").open(encoding="utf-8") as file:
            recorded = [list(map(float, row)) for row in list(csv.reader(file))[1:3]]
        again = script.score_rows(model, tokenizer, before, limit=2)
        for row, now in zip(recorded, again, strict=True):
            assert now == pytest.approx(row, abs=0.1)


@pytest.mark.slow
def test_the_cheapest_runs_of_scaling_up_come_out_again() -> None:
    script = load(RECORDED / "scaling_up" / "record.py")
    with (RECORDED / "scaling_up" / "small.csv").open(encoding="utf-8") as file:
        row = max(csv.DictReader(file), key=lambda row: int(row["width"]) - int(row["seed"]))  # fewest steps
    with (RECORDED / "scaling_up" / "batches.csv").open(encoding="utf-8") as file:
        recorded = [each["steps"] for each in csv.DictReader(file) if (each["batch"], each["seed"]) == ("64", "0")]
    pictures = load_digits()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        batches = script.data.TokenBatches(*script.tokens(), block_size=script.BLOCK)
        parameters, read, nats = script.cell(batches, "small", int(row["width"]), int(row["seed"]))
        ones = torch.ones(len(pictures.data), 1)
        x = torch.hstack([torch.tensor(pictures.data / 16, dtype=torch.float32), ones])
        steps = script.steps_to_target(x, torch.tensor(pictures.target), 64, 0)
    finally:
        torch.set_num_threads(before)
    assert (parameters, read) == (int(row["parameters"]), int(row["tokens"]))
    assert nats == pytest.approx(float(row["validation_nats"]), abs=0.02)
    calm = script.RATES.index(8) + 1  # beyond it, which is best here, rounding grows
    assert steps[:calm] == pytest.approx([int(step) for step in recorded[:calm]], abs=5)


@pytest.mark.slow
def test_the_smallest_runs_of_privacy_come_out_again() -> None:
    pytest.importorskip("opacus")
    script = load(RECORDED / "privacy" / "record.py")
    with (RECORDED / "privacy" / "frontier.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recorded = load_file(RECORDED / "privacy" / "frontier.safetensors")["weights"].numpy()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for place in (0, 5):  # the first of each of two promises, on 300 rows
            row = rows[place]
            again = script.trained(int(row["rows"]), float(row["q"]), float(row["sigma"]), int(row["seed"]))
            assert again == pytest.approx(recorded[place], abs=0.02)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_the_networks_and_the_first_reasons_of_interpretability_come_out_again() -> None:
    folder = RECORDED / "interpretability"
    script = load(folder / "record.py")
    tensors = load_file(folder / "rules.safetensors")
    recorded = {name.removeprefix("small/"): value for name, value in tensors.items() if name.startswith("small/")}
    with (folder / "refits.csv").open(encoding="utf-8") as file:
        letters = [row for row in csv.reader(file) if row[:2] == ["logistic", "0"]]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = script.trained(script.networks(script.SMALL))
        x, _ = script.samples()
        said, now = (script.outputs(nets, x).flatten(0, 1) for nets in (recorded, again))
        rows = list(itertools.islice(script.refit_rows(), len(letters)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.corrcoef(torch.stack(pair))[0, 1] > 0.97 for pair in zip(said, now, strict=True))
    assert [list(map(str, row)) for row in rows] == letters


@pytest.mark.slow
def test_a_name_and_an_interval_of_fairness_come_out_again() -> None:
    pytest.importorskip("fairlearn")
    script = load(RECORDED / "fairness" / "record.py")
    with (RECORDED / "fairness" / "fairlearn.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    again = script.interval(script.draw(np.random.default_rng(0), row["population"]), int(row["run"]))
    assert again == pytest.approx((float(row["low"]), float(row["high"])), abs=1e-4)
    with (RECORDED / "fairness" / "names.csv").open(encoding="utf-8") as file:
        rows = [answer for answer, _ in zip(csv.DictReader(file), range(2), strict=False)]
    _, resumes = script.people_and_resumes()
    prompts = [script.prompt(resumes.iloc[0], answer["name"], answer["question"]) for answer in rows]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = script.asked(*script.smollm2(), prompts)
    finally:
        torch.set_num_threads(before)
    for answer, (yes, no) in zip(rows, found, strict=True):
        assert (yes, no) == pytest.approx((float(answer["yes"]), float(answer["no"])), abs=0.02)


@pytest.mark.slow
def test_a_question_and_an_answer_of_the_language_application_come_out_again() -> None:
    from companion.cases.retrieval import Passage, selective_answers, write_answer

    script = load(RECORDED / "language_app" / "record.py")
    with (RECORDED / "language_app" / "attacks.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    _, text, question = next(script.paragraphs())
    passage = Passage("", "", "", f"{text} {script.ATTACKS[row['attack']]}")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        written = write_answer(script.smollm2(), question, passage, prompt=row["prompt"])
    finally:
        torch.set_num_threads(before)
    assert written[:20] == row["written"][:20]  # a later token may be a near tie on another processor
    with (RECORDED / "language_app" / "search.csv").open(encoding="utf-8") as file:
        best = [each for each in csv.DictReader(file) if (each["method"], each["rank"]) == ("fit", "1")]
    wrong = [each["chapter"] not in asked["chapters"] for each, asked in zip(best, script.questions(), strict=True)]
    rule = selective_answers([float(each["coverage"]) + float(each["cosine"]) for each in best], wrong)
    shipped = script.retrieval.book_rule()
    assert (rule.n_answered, rule.n_wrong) == (shipped.n_answered, shipped.n_wrong)
    assert rule.threshold == pytest.approx(shipped.threshold, abs=2e-4)


@pytest.mark.slow
def test_the_lookup_of_multimodal_comes_out_again(tmp_path: Path) -> None:
    script = load(RECORDED / "multimodal" / "record.py")
    with (RECORDED / "multimodal" / "lookup.csv").open(encoding="utf-8") as file:
        recorded = list(csv.DictReader(file))
    script.HERE = tmp_path
    script.lookup()
    with (tmp_path / "lookup.csv").open(encoding="utf-8") as file:
        again = list(csv.DictReader(file))
    assert [row["typed"] for row in again] == [row["typed"] for row in recorded]
    for column in ("words", "picture", "both"):  # a tie in the last digit may turn a rank
        assert np.mean([a[column] == b[column] for a, b in zip(recorded, again, strict=True)]) > 0.99


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"recorded_{path.parent.name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
