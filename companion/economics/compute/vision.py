"""Counts of the families that read images."""

from collections.abc import Iterator
from itertools import chain, pairwise

from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import (
    attention_flops,
    convolution,
    convolution_flops,
    linear,
    linear_flops,
)
from companion.models.autoencoder import AutoencoderConfig, VAEConfig
from companion.models.clip import CLIPConfig
from companion.models.convnet import ConvNetConfig
from companion.models.gan import GANConfig
from companion.models.resnet import ResNetConfig
from companion.models.unet import UNetConfig


@parameter_count.register
def _(config: ConvNetConfig) -> int:
    channels = (config.channels, *chain.from_iterable(config.stages))
    convolutions = sum(convolution(*pair, config.kernel) for pair in pairwise(channels))
    return convolutions + sum(linear(*pair) for pair in pairwise(config.head_sizes))


@forward_flops.register
def _(config: ConvNetConfig, *, batch: int) -> int:
    (height, width), inputs, total = config.image_size, config.channels, 0
    for level, stage in enumerate(config.stages):
        pixels = batch * (height >> level) * (width >> level)
        total += sum(convolution_flops(pixels, *pair, config.kernel) for pair in pairwise((inputs, *stage)))
        inputs = stage[-1]
    return total + sum(linear_flops(batch, *pair) for pair in pairwise(config.head_sizes))


@parameter_count.register
def _(config: ResNetConfig) -> int:
    total = _normalized(config.channels, config.widths[0], 7 if config.stem == "imagenet" else 3)
    for inputs, outputs, begins in _resnet_blocks(config):
        total += _normalized(inputs, outputs, 3) + _normalized(outputs, outputs, 3)
        total += _normalized(inputs, outputs, 1) if begins and config.shortcut == "projection" else 0
    return total + linear(config.widths[-1], config.classes)


@forward_flops.register
def _(config: ResNetConfig, *, batch: int, height: int, width: int) -> int:
    kernel, halved = (7, 1) if config.stem == "imagenet" else (3, 0)
    total = convolution_flops(_pixels(batch, height, width, halved), config.channels, config.widths[0], kernel)
    halved *= 2  # the stem's pooling
    for inputs, outputs, begins in _resnet_blocks(config):
        halved += begins
        pixels = _pixels(batch, height, width, halved)
        total += convolution_flops(pixels, inputs + outputs, outputs, 3)
        total += convolution_flops(pixels, inputs, outputs, 1) if begins and config.shortcut == "projection" else 0
    return total + linear_flops(batch, config.widths[-1], config.classes)


def _resnet_blocks(config: ResNetConfig) -> Iterator[tuple[int, int, bool]]:
    """Channels in and out of every block, and whether a stage but the first begins with it."""
    inputs = config.widths[0]
    for stage, (count, outputs) in enumerate(zip(config.blocks, config.widths, strict=True)):
        for block in range(count):
            yield inputs, outputs, stage > 0 and block == 0
            inputs = outputs


def _normalized(inputs: int, outputs: int, kernel: int) -> int:
    """A convolution without offsets, and batch-norm."""
    return convolution(inputs, outputs, kernel, bias=False) + 2 * outputs


def _pixels(batch: int, height: int, width: int, halved: int) -> int:
    """Pixels of all images after so many halvings that round up."""
    return batch * -(-height >> halved) * -(-width >> halved)


@parameter_count.register
def _(config: UNetConfig) -> int:
    def twice(inputs: int, outputs: int) -> int:
        return _normalized(inputs, outputs, 3) + _normalized(outputs, outputs, 3)

    encoder = sum(twice(*pair) for pair in pairwise((config.channels, *config.widths)))
    decoder = sum(twice(2 * c, c) + convolution(below, c, 2) for c, below in pairwise(config.widths))
    return encoder + decoder + convolution(config.widths[0], config.classes, 1)


@forward_flops.register
def _(config: UNetConfig, *, batch: int, height: int, width: int) -> int:
    pixels = [_pixels(batch, height, width, level) for level in range(len(config.widths))]
    total = convolution_flops(pixels[0], config.widths[0], config.classes, 1)
    for level, (inputs, c) in enumerate(pairwise((config.channels, *config.widths))):
        total += convolution_flops(pixels[level], inputs + c, c, 3)
    for level, (c, below) in enumerate(pairwise(config.widths)):  # the way up
        total += convolution_flops(pixels[level], 2 * c + c, c, 3)
        total += convolution_flops(pixels[level + 1], below, c, 2)  # transposed: each pixel it reads goes to 2×2 places
    return total


@parameter_count.register
def _(config: AutoencoderConfig) -> int:
    return sum(linear(*pair) + linear(*pair[::-1]) for pair in pairwise(config.sizes))


@forward_flops.register
def _(config: AutoencoderConfig, *, batch: int) -> int:
    return 2 * sum(linear_flops(batch, *pair) for pair in pairwise(config.sizes))


@parameter_count.register
def _(config: VAEConfig) -> int:
    autoencoder = sum(linear(*pair) + linear(*pair[::-1]) for pair in pairwise(config.sizes))
    learned = config.likelihood == "gaussian" and config.variance is None
    return autoencoder + linear(*config.sizes[-2:]) + learned  # the log-variances of q and that of the likelihood


@forward_flops.register
def _(config: VAEConfig, *, batch: int) -> int:
    layers = sum(linear_flops(batch, *pair) for pair in pairwise(config.sizes))
    return 2 * layers + linear_flops(batch, *config.sizes[-2:])


@parameter_count.register
def _(config: GANConfig) -> int:
    hidden = config.hidden
    if not config.images:
        [features] = config.shape
        generator = sum(linear(*pair) for pair in pairwise((config.noise, *hidden, features)))
        return generator + sum(linear(*pair) for pair in pairwise((features, *hidden[::-1], 1)))
    channels, pixels = config.shape[0], 4**2
    inner = sum(convolution(*pair, 4, bias=False) for pair in pairwise(hidden))
    generator = linear(config.noise, pixels * hidden[0], bias=False) + inner + convolution(hidden[-1], channels, 4)
    discriminator = convolution(channels, hidden[-1], 4) + inner + linear(pixels * hidden[0], 1)
    # Batch normalization has two numbers a channel; a critic has biases in its place.
    each = 2 if config.loss == "non_saturating" else 1
    return generator + 2 * sum(hidden) + discriminator + each * sum(hidden[:-1])


@forward_flops.register
def _(config: GANConfig, *, batch: int) -> int:
    if not config.images:
        return sum(linear_flops(batch, *pair) for pair in pairwise((config.noise, *config.hidden, *config.shape)))
    total = linear_flops(batch, config.noise, 4**2 * config.hidden[0])
    for level, pair in enumerate(pairwise((*config.hidden, config.shape[0]))):
        # A transposed convolution multiplies each position that it reads, not each that it writes.
        total += convolution_flops(batch * (4 << level) ** 2, *pair, 4)
    return total


@parameter_count.register
def _(config: CLIPConfig) -> int:
    width, norm = config.width, 2 * config.width
    convolutions = sum(convolution(*pair, 3) for pair in pairwise((config.image_channels, *config.channels)))
    attention = 4 * linear(width, width) + norm
    feed_forward = linear(width, config.hidden) + linear(config.hidden, width) + norm
    blocks = config.n_layer * (attention + feed_forward) + norm * config.norm_first
    embeddings = (config.vocab_size + config.block_size) * width
    projections = (config.channels[-1] * config.sides[-1] ** 2 + width) * config.embed
    return convolutions + embeddings + blocks + projections + 1  # and the temperature


@forward_flops.register
def _(config: CLIPConfig, *, images: int, texts: int, time: int) -> int:
    width, places = config.width, config.sides[-1] ** 2
    steps = zip(config.sides[1:], pairwise((config.image_channels, *config.channels)), strict=True)
    image_tower = sum(convolution_flops(side**2, *pair, 3) for side, pair in steps)
    image_tower += linear_flops(1, config.channels[-1] * places, config.embed)
    products = linear_flops(time, width, 4 * width) + 2 * linear_flops(time, width, config.hidden)
    text_tower = config.n_layer * (products + attention_flops(time, time, width)) + linear_flops(1, width, config.embed)
    return images * image_tower + texts * text_tower + linear_flops(images, config.embed, texts)
