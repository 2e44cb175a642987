import pytest
import torch

from companion.data import DatasetBatches, TensorBatches
from companion.models import MLP, MLPConfig
from companion.training import TrainConfig, fit


class Squares:
    """Items that are made when they are asked for."""

    def __init__(self, n):
        self.n, self.asked = n, []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.asked.append(index)
        return torch.tensor([float(index), float(index) ** 2]), index % 3


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_tensors(workers):
    items = Squares(23)
    rows = [items[i] for i in range(23)]
    tensors = TensorBatches((torch.stack([x for x, _ in rows]), torch.tensor([y for _, y in rows])))
    data = DatasetBatches(Squares(23), workers=workers)
    for step in (0, 1, 2, 7, 3, 4):  # in order, then as a resumed run would
        for ours, theirs in zip(data.batch(step, 5, seed=1), tensors.batch(step, 5, seed=1), strict=True):
            assert torch.equal(ours, theirs)


def test_only_what_a_step_needs_is_read():
    items = Squares(1_000_000)
    data = DatasetBatches(items)
    data.batch(0, 5, seed=0)
    assert len(items.asked) == 5


def test_validation_comes_in_order():
    labels = [y for _, y in DatasetBatches(Squares(5), Squares(7)).validation(3)]
    assert torch.cat(labels).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert list(DatasetBatches(Squares(5)).validation(3)) == []


def test_reading_draws_nothing_from_the_models_generator():
    data = DatasetBatches(Squares(23), Squares(7))
    before = torch.get_rng_state()
    data.batch(0, 5, seed=0)
    list(data.validation(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_is_trained_on_it():
    config = TrainConfig(steps=3, batch_size=5, precision="fp32", device="cpu")
    history = fit(MLP(MLPConfig(sizes=(2, 3))), DatasetBatches(Squares(23), Squares(7)), config)
    assert len(history.validation) == 1


def test_no_item_and_negative_workers_are_refused():
    with pytest.raises(ValueError, match="at least one training item"):
        DatasetBatches([])
    with pytest.raises(ValueError, match="workers of at least 0, got -1"):
        DatasetBatches(Squares(3), workers=-1)
