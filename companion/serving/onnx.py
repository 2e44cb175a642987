"""A model as an ONNX file, for runtimes without Python: written, read back, and compared before anybody trusts it."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from companion.models.modes import evaluating
from companion.stats.base.options import check_positive


def export_onnx(
    model: nn.Module,
    path: str | Path,
    example: Shaped[Tensor, "..."],
    *,
    dynamic: Sequence[int] = (0,),
    tolerance: float = 1e-4,
) -> float:
    """Writes a model of one tensor, and says how far onnxruntime is from it.

    The file is read back by onnxruntime and run twice: on the example, and on one that is smaller by one along each
    dynamic axis. A size that the exporter took for a constant is found so, and rounding is told from a wrong graph.
    There is no cache in it: a language model written so rates or embeds texts; to write texts, serve it.

    Args:
        model: from one tensor to one tensor; in evaluation mode meanwhile.
        path: the file to write; one that is there is replaced. Beyond some size, weights lie beside it in ``.data``.
        example: on the CPU, as the model takes it, such as tokens [batch, time].
        dynamic: axes of ``example`` whose size may change, of size 2 at least there.
        tolerance: how far both may be apart at most, in parts of the largest entry.

    Returns:
        How far they are apart.

    Raises:
        ImportError: where onnx, onnxscript or onnxruntime are not installed.
        ValueError: for a dynamic axis that the example lacks, or that has size 1 there.
        RuntimeError: where both are further apart than the tolerance; the file is then removed.

    Source:
        ``torch.onnx.export`` with ``dynamo=True``, which goes by way of ``torch.export``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     apart = export_onnx(nn.Linear(4, 3), f"{folder}/linear.onnx", torch.randn(2, 4))
    >>> f"{apart:.0e} or less" if apart > 1e-6 else "rounding"
    'rounding'
    """
    check_positive("tolerance", tolerance)
    _check_axes(example, dynamic)
    runtime, path, smaller = _runtime(), Path(path), example
    for axis in dynamic:
        smaller = smaller.narrow(axis, 0, example.shape[axis] - 1)
    with evaluating(model), torch.no_grad():
        _write(model, path, example, dynamic)
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        apart = max(_apart(session, each, model(each)) for each in (example, smaller))
    if not apart <= tolerance:
        path.unlink()
        raise RuntimeError(
            f"expected onnxruntime within {tolerance:g} of the model, got {apart:.2g}: the exporter mistook something; "
            "report it with this model"
        )
    return apart


def _check_axes(example: Tensor, dynamic: Sequence[int]) -> None:
    sizes = {axis: example.shape[axis] if 0 <= axis < example.ndim else None for axis in dynamic}
    if bad := [axis for axis, size in sizes.items() if size is None or size < 2]:
        raise ValueError(
            f"expected dynamic axes of size 2 at least in an example of shape {tuple(example.shape)}, got axis {bad[0]}"
        )


def _runtime():  # type: ignore[no-untyped-def]  # a module without types
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped]
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'expected onnx, onnxscript and onnxruntime, got none ({error}): run pip install "large-models-companion'
            '[serving]"'
        ) from error
    return onnxruntime


def _write(model: nn.Module, path: Path, example: Tensor, dynamic: Sequence[int]) -> None:
    from torch.export import Dim, export  # it takes a second, which a server need not wait for

    program = export(model, (example,), dynamic_shapes=(dict.fromkeys(dynamic, Dim.DYNAMIC),))
    talk = logging.getLogger("torch.onnx")
    before = talk.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, of what it deprecates in itself
        talk.setLevel(logging.ERROR)  # and of torchvision, which is not needed
        try:
            torch.onnx.export(program, (example,), path, dynamo=True, verbose=False)
        finally:
            talk.setLevel(before)


def _apart(session, given: Tensor, expected: Float[Tensor, "..."]) -> float:  # type: ignore[no-untyped-def]
    """The largest difference of any entry, in parts of the largest entry."""
    [name] = [value.name for value in session.get_inputs()]
    [found] = session.run(None, {name: given.numpy()})
    return float(np.abs(found - expected.numpy()).max() / expected.abs().max())
