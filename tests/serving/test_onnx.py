"""Export: equal to the model at sizes that it was not traced with, and refused where it is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from companion.models import GPT, GPTConfig
from companion.serving import export_onnx

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("annotations_unchecked")


@pytest.mark.parametrize("options", [{}, {"positions": "rotary", "n_kv_head": 1}])
def test_a_language_model_takes_other_batches_and_lengths(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=53, block_size=17, n_layer=2, n_head=2, n_embd=20, **options))
    path = tmp_path / "gpt.onnx"
    assert export_onnx(model, path, torch.randint(53, (2, 7)), dynamic=(0, 1)) < 1e-6
    assert model.training  # its own mode, afterwards
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 1), (5, 17), (3, 11)):
        tokens = torch.randint(53, shape)
        [found] = session.run(None, {session.get_inputs()[0].name: tokens.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, model.eval()(tokens).numpy(), rtol=1e-4, atol=1e-5)


def test_a_wrong_graph_is_found_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = nn.Linear(3, 2), tmp_path / "linear.onnx"
    write = torch.onnx.export

    def other(program: Any, example: tuple[Tensor], target: Path, **options: Any) -> None:
        """The exporter gets other weights than the model has."""
        wrong = torch.export.export(nn.Linear(3, 2).eval(), example, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        write(wrong, example, target, **options)

    monkeypatch.setattr(torch.onnx, "export", other)
    with pytest.raises(RuntimeError, match=r"within 0\.0001 of the model, got"):
        export_onnx(model, path, torch.randn(5, 3))
    assert not path.exists()


@pytest.mark.parametrize("dynamic", [(2,), (1,), (-1,)])
def test_an_axis_that_cannot_change_is_refused(dynamic: tuple[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"got axis {dynamic[0]}"):
        export_onnx(nn.Linear(1, 2), tmp_path / "x.onnx", torch.randn(5, 1), dynamic=dynamic)
