"""The questions that are asked of a config. A language model has formulas; the others are built and counted."""

from functools import singledispatch

from companion.economics.compute.built import built, counted_flops


@singledispatch
def parameter_count(config: object) -> int:
    """Number of parameters of the model that ``config`` describes; tied ones count once.

    Raises:
        TypeError: where ``config`` is no model's config.
    """
    return sum(parameter.numel() for parameter in built(config).parameters())


@singledispatch
def forward_flops(config: object, **sizes: int) -> int:
    """Floating-point operations of one forward pass: two for each multiplication and addition of matrix products.

    Products, convolutions and attention count; sums, activations and normalizations, a few percent, do not, as in
    Kaplan et al. 2020, table 1. Causal attention counts in full, as most kernels compute it in training; pass
    ``causal=True`` where a family has it to count only what lies below the diagonal.

    Args:
        config: a model's config.
        sizes: the sizes of the input that the family needs, such as ``batch`` and ``time``.

    Raises:
        TypeError: where ``config`` is no model's config, or ``sizes`` are not those that the family needs.
    """
    return counted_flops(config, **sizes)


def training_flops(config: object, **sizes: int) -> int:
    """Operations of a forward pass and a backward one, which costs twice as much; sizes as :func:`forward_flops`."""
    return 3 * forward_flops(config, **sizes)


def six_nd(parameters: int, tokens: int) -> int:
    r"""A rule of thumb for training a transformer, :math:`C \approx 6ND` operations (Kaplan et al. 2020, section 2.1).

    It leaves attention's own products out, which depend on the length of the sequence. Table D.1 of Brown et al. 2020
    was computed with it.
    """
    return 6 * parameters * tokens
