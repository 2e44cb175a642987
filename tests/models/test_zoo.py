"""What every family must do: equal its reference, run in two precisions, compile, export, save, be counted."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import companion.models
import reference
from companion.economics.compute import forward_flops, parameter_count
from companion.models.hub.weights import copy_weights, load_weights, named_weights, save_weights

FAMILIES = reference.FAMILIES


@pytest.fixture(params=FAMILIES)
def case(request):
    return reference.make(request.param)


def test_forward_and_gradients_equal_the_reference(case):
    ours, theirs = case.model(*case.inputs), case.reference(*case.inputs)
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)
    direction = torch.randn_like(ours)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    expected = case.reference_gradients()
    found = {name: p.grad for name, p in case.model.named_parameters() if p.grad is not None}
    assert expected.keys() == found.keys()
    for name, gradient in found.items():
        scale = expected[name].abs().max().item()
        torch.testing.assert_close(gradient, expected[name], atol=1e-5 * scale + 1e-8, rtol=1e-4, msg=name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_are_finite(case, dtype, device):
    model, batch = case.model.to(device), [part.to(device) for part in case.batch]
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        loss = model.loss(*batch)
    assert loss.shape == ()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} is not used by the loss"
        assert parameter.grad.isfinite().all(), name


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.filterwarnings(
    "ignore:.*should not be instantiated:DeprecationWarning"
)  # Dynamo's own, of autograd functions
def test_compiles_without_a_graph_break(case):
    torch._dynamo.reset()
    torch.manual_seed(1)  # some losses draw noise
    expected = case.model.loss(*case.batch)
    torch.manual_seed(1)
    found = torch.compile(case.model.loss, fullgraph=True, backend="eager")(*case.batch)
    torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("annotations_unchecked")
def test_exports_with_the_same_numbers(case):
    model = case.model.eval()
    with torch.no_grad():
        expected = model(*case.inputs)
        program = torch.export.export(model, case.inputs)
        torch.testing.assert_close(program.module()(*case.inputs), expected)


@pytest.mark.slow
@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_onnx_gives_the_same_numbers(case, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = case.model.eval()
    path = tmp_path / "model.onnx"
    torch.onnx.export(model, case.inputs, path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    values = [tensor.numpy() for tensor in tree_leaves(case.inputs)]
    [found] = session.run(None, dict(zip(names, values, strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), model(*case.inputs), atol=1e-5, rtol=1e-4)


def test_weights_come_back_to_the_bit(case, tmp_path):
    save_weights(case.model, tmp_path / "model.safetensors")
    again = type(case.model)(case.model.config)
    copy_weights(again, load_weights(tmp_path / "model.safetensors"))
    for name, tensor in named_weights(case.model).items():
        assert torch.equal(named_weights(again)[name], tensor), name


def weighted_bag_flops(table, nodes, *options, **_):
    """A sparse product is a bag of embeddings with weights, which torch's counter passes over."""
    weights = options[4] if len(options) > 4 else None  # after offsets, scale_grad_by_freq, mode and sparse
    return 2 * nodes[0] * table[1] if weights is not None else 0


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's own flags for oneDNN warn of each other
def test_counts_from_a_config_are_those_of_the_model(case):
    assert parameter_count(case.model.config) == sum(p.numel() for p in case.model.parameters())
    # Attention and LSTM as formulas have them: the counter does not look into fused kernels.
    unfused = sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False)
    bags = dict.fromkeys(
        [torch.ops.aten._embedding_bag, torch.ops.aten._embedding_bag_forward_only], weighted_bag_flops
    )
    with FlopCounterMode(display=False, custom_mapping=bags) as counter, unfused[0], unfused[1], torch.no_grad():
        case.model(*case.inputs)
    assert forward_flops(case.model.config, **case.sizes) == counter.get_total_flops()


def test_the_config_is_frozen(case):
    assert dataclasses.is_dataclass(case.model.config)
    assert type(case.model.config).__dataclass_params__.frozen


def test_every_model_has_a_case():
    public = {name: getattr(companion.models, name) for name in companion.models.__all__}
    classes = {name: cls for name, cls in public.items() if isinstance(cls, type) and issubclass(cls, torch.nn.Module)}
    modules = {name for name, cls in classes.items() if hasattr(cls, "loss")}
    tested = {cls.__name__ for family in FAMILIES for cls in type(reference.make(family).model).__mro__}
    assert sorted(modules - tested) == []
