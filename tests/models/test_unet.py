"""UNet: sizes, what each pixel sees, learning, bad input. The reference with the weights copied stands in test_zoo."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from companion.data import digit_scenes, digits
from companion.economics.compute import parameter_count
from companion.models import UNet, UNetConfig

CONFIG = UNetConfig(channels=2, n_classes=5, widths=(3, 7, 11))
MODEL = UNet(CONFIG).eval()  # in training batch-norm sees the whole image


def batch():
    return torch.rand(3, 2, 13, 17), torch.randint(5, (3, 13, 17))


def test_the_widths_of_the_paper_have_a_known_count():
    """What is quoted for U-Nets with batch-norm in color; gray lacks two of three channels of the first kernels."""
    assert parameter_count(UNetConfig(channels=3)) == 31_037_698
    assert parameter_count(UNetConfig()) == 31_037_698 - 2 * 64 * 9 == 31_036_546


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 37), width=st.integers(1, 37))
def test_the_output_is_as_large_as_the_input(height, width):
    shapes = []
    hooks = [level.register_forward_hook(lambda *call: shapes.append(call[2].shape)) for level in MODEL.encoder]
    hooks += [level.register_forward_pre_hook(lambda *call: shapes.append(call[1][0].shape)) for level in MODEL.decoder]
    logits = MODEL(torch.rand(2, 2, height, width))
    for hook in hooks:
        hook.remove()
    assert logits.shape == (2, 5, height, width)
    sizes = [(math.ceil(height / scale), math.ceil(width / scale)) for scale in (1, 2, 4)]
    encoded = [(2, channels, *size) for channels, size in zip((3, 7, 11), sizes, strict=True)]
    merged = [(2, 14, *sizes[1]), (2, 6, *sizes[0])]  # the skip and as many channels from below
    assert shapes == encoded + merged


def test_an_odd_image_is_the_corner_of_a_larger_one():
    """Cropped at the bottom and the right: away from there, a row more or less makes no difference."""
    image = torch.randn(1, 2, 64, 72)
    whole, odd = MODEL(image), MODEL(image[:, :, :61, :67])
    seen = max(seen_from(pixel, 3)[1] - pixel for pixel in range(4))
    torch.testing.assert_close(odd[:, :, : 61 - seen, : 67 - seen], whole[:, :, : 61 - seen, : 67 - seen])


def seen_from(pixel, levels):
    """First and last pixel along one axis that the logit of ``pixel`` depends on, whatever the border."""
    first = last = pixel
    for _ in range(levels - 1):  # down the decoder: two 3×3 convolutions, and the pixel above
        first, last = (first - 2) // 2, (last + 2) // 2
    first, last = first - 2, last + 2
    for _ in range(levels - 1):  # up the encoder: two pixels for one, and two 3×3 convolutions
        first, last = 2 * first - 2, 2 * last + 1 + 2
    return first, last


@pytest.mark.parametrize("widths", [(3,), (3, 5), (3, 5, 7)])
def test_each_pixel_sees_its_receptive_field_and_no_more(widths):
    model = UNet(UNetConfig(channels=1, widths=widths)).double().eval()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter)  # positive, so that ReLU cuts nothing off
    image = torch.ones(1, 1, 56, 59).double()
    rows, columns = image.repeat(56, 1, 1, 1), image.repeat(59, 1, 1, 1)
    rows[range(56), :, range(56)] = 2  # sample i differs in row i
    columns[range(59), :, :, range(59)] = 2
    with torch.no_grad():
        from_rows, from_columns, before = model(rows)[:, 0], model(columns)[:, 0], model(image)[0, 0]
    for y, x in [(28, 28), (29, 30), (31, 27), (26, 29)]:  # each place within the windows of pooling
        for changed, pixel in ((from_rows, y), (from_columns, x)):
            touched = torch.nonzero(changed[:, y, x] != before[y, x])[:, 0].tolist()
            first, last = seen_from(pixel, len(widths))
            assert touched == list(range(first, last + 1))


@pytest.mark.parametrize("training", [True, False])
def test_permuted_images_have_permuted_logits(training):
    model = UNet(CONFIG).train(training)
    images, order = torch.randn(5, 2, 13, 17), torch.randperm(5)
    torch.testing.assert_close(model(images[order]), model(images)[order])


def test_shifted_images_have_shifted_logits():
    """By the scale of the deepest level: a smaller shift moves the windows of pooling."""
    image = torch.randn(1, 2, 68, 76)
    first, second = MODEL(image[:, :, :64, 4:]), MODEL(image[:, :, 4:, :72])
    torch.testing.assert_close(first[:, :, 28:-24, 24:-28], second[:, :, 24:-28, 28:-24])


def test_loss_ignores_marked_pixels():
    images, masks = batch()
    marked = masks.clone()
    marked[:, ::2] = -100
    kept = marked != -100
    expected = F.cross_entropy(MODEL(images).movedim(1, -1)[kept], masks[kept])
    torch.testing.assert_close(MODEL.loss(images, marked), expected)


def test_initial_loss_is_about_that_of_the_uniform_distribution():
    assert UNet(CONFIG).loss(*batch()).item() == pytest.approx(math.log(5), abs=0.5)


def test_learns_a_batch_of_scenes_by_heart():
    images, masks = digit_scenes(*digits(), 4, size=19, count=2)
    model = UNet(UNetConfig(n_classes=11, widths=(16, 32)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(images, masks).backward()
        optimizer.step()
    assert model.loss(images, masks) < 0.1


def test_one_number_a_channel_is_refused_in_training():
    with pytest.raises(ValueError, match="more than 1 value per channel when training"):
        UNet(CONFIG)(torch.rand(1, 2, 4, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": ()}, r"widths to be a tuple of 1 or more positive integers, got \(\)"),
        ({"widths": (3, 0)}, r"got \(3, 0\)"),
        ({"n_classes": 1}, "n_classes of at least 2, background and object, got n_classes=1"),
        ({"channels": 0}, "channels to be a positive integer, got 0"),
    ],
)
def test_bad_configs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        UNetConfig(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[0], y), r"images of shape \[batch, 2, height, width\] .* got \[2, 13, 17\]"),
        (lambda x, y: (x[:, :1], y), r"got \[3, 1, 13, 17\]"),
        (lambda x, y: (x[:, :, :0], y), r"at least one element, got \[3, 2, 0, 17\]"),
        (lambda x, y: (x.double(), y), "dtype torch.float32, got .* torch.float64"),
        (lambda x, y: (x, y[:, None]), r"masks of shape \[3, 13, 17\] .* got \[3, 1, 13, 17\]"),
        (lambda x, y: (x, y[:1]), r"masks of shape \[3, 13, 17\] .* got \[1, 13, 17\]"),
        (lambda x, y: (x, y.bool()), "dtype torch.int64, got .* torch.bool; give one class number a pixel"),
        (lambda x, y: (x, y + 3), "masks from 0 to 4, got 3 to 7; the model has n_classes=5, counting from 0"),
        (lambda x, y: (x, y - 1), "masks from 0 to 4, got -1 to 3"),
        (lambda x, y: (x, torch.full_like(y, -100)), "expected one of masks to count, got only -100"),
    ],
)
def test_bad_batches_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MODEL.loss(*change(*batch()))
