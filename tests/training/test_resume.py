"""Going on with a run: only with the same one, to more steps too, and from a folder that somebody has been at."""

import dataclasses
import logging
import shutil

import numpy as np
import pytest
import torch
from lines import BestAt, Line, config, line_data

from companion.data import CaptionedShapes, DatasetBatches, SkipGramBatches, TensorBatches, TokenBatches
from companion.models import GPT, GPTConfig
from companion.training import fit, saving
from companion.training.identity import differences, identify


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def gpt(**options):
    torch.manual_seed(5)
    sizes = {"vocab_size": 41, "block_size": 11, "n_layer": 2, "n_head": 2, "n_embd": 16, "positions": "rotary"}
    return GPT(GPTConfig(**{**sizes, **options}))


def tokens(high=41, block_size=11, length=1_009):
    text = np.random.default_rng(0).integers(0, high, length).astype(np.uint16)
    return TokenBatches(text, text[:101], block_size=block_size)


@pytest.mark.parametrize(
    ("model", "data", "named"),
    [
        ({"n_head": 4}, {}, r"which has model.n_head=2, got model.n_head=4: "),
        ({"rope_theta": 500.0}, {}, r"which has model.rope_theta=10000.0, got model.rope_theta=500.0: "),
        ({"dropout": 0.25}, {}, r"which has model.dropout=0.0, got model.dropout=0.25: "),
        ({"norm_eps": 1e-3}, {}, r"model.norm_eps=1e-05, got model.norm_eps=0.001: "),
        ({}, {"high": 37}, r"which has data.train=\[1009\] integer .*, got data.train=\[1009\] integer "),
        ({}, {"length": 1_008}, r"data.train=\[1009\] .*, got data.train=\[1008\] "),
        ({}, {"block_size": 10}, r"which has data.block_size=11, got data.block_size=10: "),
    ],
)
def test_another_model_or_other_data_is_named_and_nothing_changes(tmp_path, model, data, named):
    fit(gpt(), tokens(), config(tmp_path, steps=3))
    before, refused = contents(tmp_path), gpt(**model)
    weights = bits(refused)
    with pytest.raises(ValueError, match=named) as caught:
        fit(refused, tokens(**data), config(tmp_path, steps=5))
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before
    assert same(bits(refused), weights)


def test_a_model_without_config_is_told_by_its_modules_and_attributes(tmp_path):
    fit(Line(), line_data(), config(tmp_path))
    with pytest.raises(ValueError, match=r"model/dropout=Dropout\(p=0.0, .*got model/dropout=Dropout\(p=0.5, "):
        fit(Line(dropout=0.5), line_data(), config(tmp_path))
    with pytest.raises(ValueError, match=r"model/=Line\(\)\{'n_head': 1\}, got model/=Line\(\)\{'n_head': 3\}"):
        fit(Line(n_head=3), line_data(), config(tmp_path))


@pytest.mark.parametrize("frozen_first", [True, False])
def test_parameters_that_were_frozen_or_freed_are_named(tmp_path, frozen_first):
    models = [Line(), Line()]
    models[0 if frozen_first else 1].weight.requires_grad_(False)
    fit(models[0], line_data(), config(tmp_path))
    had, got = ("weight", "none") if frozen_first else ("none", "weight")
    with pytest.raises(ValueError, match=f"which has model.frozen={had}, got model.frozen={got}: "):
        fit(models[1], line_data(), config(tmp_path))


class Own:
    """Batches of somebody's own, which have no fingerprint."""

    def __init__(self, first_other=100, noise=False):
        self.first_other, self.noise = first_other, noise

    def batch(self, step, batch_size, *, seed):
        x = torch.full((batch_size, 3), float(step)) + (step >= self.first_other)
        return x + (torch.rand(1) if self.noise else 0), x[:, :1]

    def validation(self, batch_size):
        return iter(())


def test_own_batches_are_compared_all_over_the_run(tmp_path):
    fit(Line(), Own(), config(tmp_path))
    assert len(fit(Line(), Own(first_other=11), config(tmp_path, steps=101)).rows) == 101  # no sum is of step 11
    with pytest.raises(ValueError, match=r"which has data.batch 10=\w+, got data.batch 10=\w+: "):
        fit(Line(), Own(first_other=7), config(tmp_path, steps=101))


def test_batches_that_differ_from_reading_to_reading_are_not_compared(tmp_path):
    fit(Line(), Own(noise=True), config(tmp_path))
    assert len(fit(Line(), Own(noise=True), config(tmp_path, steps=29)).rows) == 29


def test_asking_what_a_run_is_leaves_the_generators_alone(tmp_path):
    without, kept = Line(), Line()
    fit(without, Own(noise=True), dataclasses.replace(config(tmp_path), checkpoint_dir=None))
    fit(kept, Own(noise=True), config(tmp_path))
    assert same(bits(without), bits(kept))


WORDS = np.random.default_rng(0).integers(0, 13, 501)
ITEMS = [(torch.tensor([float(i)]), i) for i in range(29)]
PAIRS = [
    (line_data(), line_data(seed=1)),
    (tokens(), tokens(high=40)),
    (SkipGramBatches(WORDS, window=3), SkipGramBatches(WORDS, window=4)),
    (SkipGramBatches(WORDS), SkipGramBatches(WORDS[::-1].copy())),
    (CaptionedShapes(size=16), CaptionedShapes(size=16, held_out=0.3)),
    (DatasetBatches(ITEMS), DatasetBatches(ITEMS[:-1])),
    (DatasetBatches(ITEMS), DatasetBatches([(x + 1, i) for x, i in ITEMS])),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_each_kind_of_batches_knows_itself_from_others(one, other):
    assert one.fingerprint() == one.fingerprint() != other.fingerprint()


def test_a_token_file_is_sampled_from_end_to_end(tmp_path):
    text = np.arange(2**24, dtype=np.uint16)  # 32 MiB, twice what is summed in full
    mapped = np.lib.format.open_memmap(tmp_path / "t.npy", mode="w+", dtype=np.uint16, shape=text.shape)
    mapped[:] = text
    whole = TokenBatches(text, block_size=11).fingerprint()
    assert TokenBatches(mapped, block_size=11).fingerprint() == whole
    for place in (0, -1):
        changed = text.copy()
        changed[place] = 7
        assert TokenBatches(changed, block_size=11).fingerprint() != whole


def test_many_differences_are_counted_not_listed(tmp_path):
    run = config(tmp_path)
    mine = identify(gpt(), tokens(), run)
    other = identify(gpt(n_head=4, dropout=0.5, n_embd=32, bias=True, norm_eps=1e-3, n_layer=3), tokens(), run)
    assert differences(mine, mine) == ""
    text = differences(mine, other)
    assert text.count("model.") == 8
    assert "and 2 more, got" in text
    assert "model/" not in text  # modules follow from the config


def test_an_older_run_is_refused(tmp_path, monkeypatch):
    save = saving.save
    monkeypatch.setattr(saving, "save", lambda run, step, learner, state: save(run, step, learner, {"scaler": {}}))
    fit(Line(), line_data(), config(tmp_path))
    with pytest.raises(ValueError, match="got one of an older version: take another checkpoint_dir"):
        fit(Line(), line_data(), config(tmp_path))


@pytest.mark.parametrize("schedule", [{"schedule": "constant"}, {"schedule": "step", "decay_steps": 9}])
def test_a_run_extended_is_one_long_run(tmp_path, schedule):
    options = {"warmup_steps": 3, "ema_decay": 0.9, "eval_every": 5, **schedule}
    fit(long := Line(dropout=0.5), line_data(), config(tmp_path / "long", steps=41, **options))
    fit(Line(dropout=0.5), line_data(), config(tmp_path / "short", steps=23, **options))
    torch.manual_seed(99)
    history = fit(extended := Line(dropout=0.5), line_data(), config(tmp_path / "short", steps=41, **options))
    assert same(bits(long), bits(extended))
    assert [row["step"] for row in history.rows] == list(range(1, 42))


def test_an_extended_cosine_follows_the_new_schedule(tmp_path):
    first = fit(Line(), line_data(), config(tmp_path, min_lr_ratio=0.1))
    rows = fit(Line(), line_data(), config(tmp_path, steps=46, min_lr_ratio=0.1)).rows
    assert rows[:23] == first.rows
    assert rows[22]["lr"] < 0.002
    assert 0.005 < rows[23]["lr"] < 0.006  # halfway down the longer cosine


def test_fewer_steps_than_taken_are_refused(tmp_path):
    fit(Line(), line_data(), config(tmp_path))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"expected steps of at least 23, which the run in .* has taken, got 22: "):
        fit(Line(), line_data(), config(tmp_path, steps=22))
    assert contents(tmp_path) == before


class Stops(TensorBatches):
    def batch(self, step, batch_size, *, seed):
        if step == 19:
            raise OSError("the power went")
        return super().batch(step, batch_size, seed=seed)


def test_patience_outlasts_a_lost_log(tmp_path, caplog):
    """Best at 12, patience of 4 validations, 3 steps each: it ends at 24, with or without the rows before 18."""
    run, data = config(tmp_path, steps=90, eval_every=3, patience=4, checkpoint_every=6), line_data()
    with pytest.raises(OSError, match="power"):
        fit(BestAt(12), Stops(data.train, data.validation_set), run)
    (tmp_path / "log.jsonl").unlink()
    with caplog.at_level(logging.WARNING):
        history = fit(model := BestAt(12), data, run)
    assert [row["step"] for row in history.rows] == list(range(19, 25))
    assert history.stopped_early
    assert history.best_step == 12
    assert model.steps == 12
    assert "expected 18 rows" in caplog.text


def test_a_finished_run_without_its_log_still_has_its_weights(tmp_path):
    fit(first := Line(), line_data(), config(tmp_path))
    (tmp_path / "log.jsonl").unlink()
    history = fit(again := Line(), line_data(), config(tmp_path))
    assert same(bits(first), bits(again))
    assert history.best_step == 23
    assert len(history.frame) == 0
    assert str(history) == "no step recorded"


def test_the_best_weights_are_checked_before_they_are_given_back(tmp_path):
    run = config(tmp_path, steps=90, eval_every=3, patience=4)
    fit(BestAt(12), line_data(), run)
    kept = tmp_path / "step-00000012"
    weights = (kept / "model.safetensors").read_bytes()
    (kept / "model.safetensors").write_bytes(weights[:-1])
    with pytest.raises(ValueError, match="step-00000012, got a damaged checkpoint .model.safetensors not as written"):
        fit(BestAt(12), line_data(), run)
    shutil.rmtree(kept)
    with pytest.raises(ValueError, match="step-00000012, got a damaged checkpoint .no checksums.json"):
        fit(BestAt(12), line_data(), run)


@pytest.mark.parametrize(
    "name", ["step-00000060-backup", "step-", "step-abc", "step-³", "step-60", "step-00000060.tar"]
)
def test_what_is_no_checkpoint_is_passed_over(tmp_path, name):
    fit(first := Line(), line_data(), config(tmp_path))
    shutil.copytree(tmp_path / "step-00000023", tmp_path / name)
    history = fit(again := Line(), line_data(), config(tmp_path))
    assert same(bits(first), bits(again))
    assert len(history.rows) == 23
    assert (tmp_path / name).is_dir()


BAD = [
    b"",
    b"[]",
    b"null",
    b"{}",
    b"\xff\xfe\x00",
    b"7\n",
    b'{"step": "x"}\n',
    b"[" * 100_000,
    b'{"step": 1, "loss": []}\n',
]


def refusal(model, folder):
    """What a run that goes on there says; empty where it goes to its end."""
    try:
        fit(model, line_data(), config(folder, steps=5, checkpoint_every=3))
    except (ValueError, OSError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("content", [*BAD, "missing", "folder"])
def test_a_folder_that_somebody_was_at_ends_right_or_in_one_line(tmp_path, content, checkpoint):
    """Each file in turn is spoiled. The run ends with its bits, or in one line that says what was expected."""
    whole = tmp_path / "whole"
    assert not refusal(first := Line(), whole)
    inside = whole / "step-00000005"
    for path in [path for path in (inside if checkpoint else whole).iterdir() if path.is_file()]:
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy)
        target = copy / path.relative_to(whole)
        target.unlink()
        if content == "folder":
            target.mkdir()
        elif content != "missing":
            target.write_bytes(content)
        complaint = refusal(again := Line(), copy)
        assert same(bits(first), bits(again)) or complaint.startswith("expected "), (target, complaint)
        assert "\n" not in complaint
        shutil.rmtree(copy)


@pytest.mark.parametrize("kind", ["file", "under a file", "a checkpoint that is a file"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, kind):
    (tmp_path / "file").write_text("text")
    if kind == "a checkpoint that is a file":
        (tmp_path / "step-00000060").write_text("text")
        assert len(fit(Line(), line_data(), config(tmp_path)).rows) == 23
        return
    place = tmp_path / "file" if kind == "file" else tmp_path / "file" / "run"
    with pytest.raises(OSError, match="expected checkpoint_dir to be a folder to write to, got"):
        fit(Line(), line_data(), config(place))
