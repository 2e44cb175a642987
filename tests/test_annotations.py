"""What annotations say of arrays is checked while the tests run, and a wrong one fails."""

import importlib
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from annotations import checked_on_return
from jaxtyping import Float, Int, TypeCheckError, jaxtyped
from torch import Tensor

import companion.models.ngram
from companion.data import TensorBatches
from companion.models import GPT, Rollout
from companion.training import token_losses

checked = jaxtyped(typechecker=checked_on_return)


@checked
def by_row(x: Float[Tensor, "row column"], scale: Float[Tensor, " row"] | None = None) -> Float[Tensor, " row"]:
    if x.ndim != 2:
        raise ValueError("expected a matrix")
    return x.sum(dim=0) if scale is None else x.sum(dim=1) * scale


def test_a_wrong_result_fails() -> None:
    assert by_row(torch.ones(3, 3)).shape == (3,)
    with pytest.raises(TypeCheckError, match="return value"):
        by_row(torch.ones(2, 3))


def test_a_wrong_argument_fails_once_the_result_is_there() -> None:
    assert by_row(torch.ones(2, 3), torch.ones(2)).tolist() == [3, 3]
    with pytest.raises(TypeCheckError):
        by_row(torch.ones(2, 3), torch.ones(1))


def test_bad_input_is_refused_in_the_functions_own_words() -> None:
    with pytest.raises(ValueError, match="expected a matrix"):
        by_row(torch.ones(3))


def test_a_wrong_dtype_within_a_tuple_fails() -> None:
    @checked
    def halves(x: Float[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
        return x, x

    with pytest.raises(TypeCheckError):
        halves(torch.ones(3))


def test_the_packages_are_checked() -> None:
    for function in (GPT.forward, TensorBatches.batch, token_losses):
        assert inspect.unwrap(function) is not function
    with pytest.raises(TypeCheckError):  # a dataclass: rewards of another number of steps than actions
        Rollout(torch.ones(4, 2, 5), torch.ones(3, 2).long(), torch.ones(2, 2), *[torch.ones(3, 2).bool()] * 3)


def test_a_wrong_annotation_planted_in_a_module_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(companion.models.ngram.__file__).read_text()
    right = 'def losses(self, tokens: Tokens) -> Float[np.ndarray, " time"]:'
    assert right in source
    package = tmp_path / "companion" / "models"
    package.mkdir(parents=True)
    (package / "planted.py").write_text(source.replace(right, right.replace(" time", "time 1")))
    monkeypatch.setattr(companion.models, "__path__", [*companion.models.__path__, str(package)])
    try:
        planted = importlib.import_module("companion.models.planted")
    finally:
        sys.modules.pop("companion.models.planted", None)
    tokens = np.arange(7) % 3
    assert companion.models.ngram.NGram(2, 3).fit(tokens).losses(tokens).shape == (7,)
    with pytest.raises(TypeCheckError, match="return value"):
        planted.NGram(2, 3).fit(tokens).losses(tokens)
