"""Whether a model and its reference, its compiled self and its ONNX export give the same numbers."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from benchmarks import report
from reference.case import Case

#: How far apart rounding may bring a compiled model, in parts of the largest entry; 2e-5 is the most that we saw.
TOLERANCE = 1e-3


def largest(found: Tensor, expected: Tensor) -> float:
    """The largest difference of any entry."""
    return (found.double() - expected.double()).abs().max().item()


def relative(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest difference of any gradient, in parts of its own largest entry.

    Where that is 0 but for rounding, as of a constant before a normalization, in parts of the largest of all gradients.
    """
    scales = {name: tensor.abs().max().item() for name, tensor in expected.items()}
    top = max(scales.values())
    return max(largest(found[name], expected[name]) / (s if s > 1e-6 * top else top) for name, s in scales.items())


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Those of a model, which it has no longer afterwards."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def beside_reference(case: Case) -> tuple[float, float]:
    """The largest differences forward and backward."""
    ours, theirs = case.model(*case.inputs), case.reference(*case.inputs)
    direction = torch.randn_like(ours)
    ours.backward(direction)
    theirs.backward(direction)
    return largest(ours, theirs), relative(gradients(case.model), case.reference_gradients())


def step(loss: Callable[..., Tensor], case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients; the same noise each time, for losses that draw some."""
    torch.manual_seed(1)
    value = loss(*case.batch)
    value.backward()
    return value.detach(), gradients(case.model)


def compiled(case: Case) -> str:
    """Whether the loss compiles as one graph, and how far it and its gradients then are from eager ones."""
    torch._dynamo.reset()
    torch._inductor.config.fallback_random = True  # eager's noise
    loss, expected = step(case.model.loss, case)
    try:
        found, grads = step(torch.compile(case.model.loss, fullgraph=True), case)
    except Exception as error:  # whatever the compiler raises is the answer
        return f"no: {report.reason(error)}"
    apart = max(largest(found, loss) / abs(loss.item()), relative(grads, expected))
    return f"{'yes' if apart < TOLERANCE else 'yes, but to wrong numbers'}, {apart:.0e}"


def onnx(case: Case) -> str:
    """How far onnxruntime is from the model in evaluation mode, or why it cannot be asked."""
    import onnxruntime

    model, inputs = case.model.cpu().eval(), tree_map(Tensor.cpu, case.inputs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(model, inputs, path, dynamo=True, verbose=False)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever the exporter raises is the answer
            return f"no: {report.reason(error)}"
    names = [value.name for value in session.get_inputs()]
    [found] = session.run(None, dict(zip(names, (leaf.numpy() for leaf in tree_leaves(inputs)), strict=True)))
    with torch.no_grad():
        return f"{largest(torch.from_numpy(found), model(*inputs)):.0e}"
