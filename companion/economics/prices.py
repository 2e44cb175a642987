r"""What an answer costs: bought from an API, by its price list; and made on a machine of one's own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.checks import check_whole, is_number
from companion.stats.base.checks import as_given
from companion.stats.base.frames import same_examples


@dataclass(frozen=True)
class TokenPrices:
    """Prices of an API, in dollars a million tokens.

    Attributes:
        read: of tokens that are sent.
        written: of tokens that come back.
        cached: of tokens that are sent, and stand in the provider's cache since an earlier request.
        source: whose they are, and from which list.

    Raises:
        ValueError: for a price below 0, or none.
    """

    read: float
    written: float
    cached: float
    source: str

    def __post_init__(self) -> None:
        for name in ("read", "written", "cached"):
            price = getattr(self, name)
            if not is_number(price) or not 0 <= price < float("inf"):
                raise ValueError(f"expected {name} in dollars a million tokens, at least 0, got {price!r}")

    def bill(self, *, read: int, written: int, cached: int = 0) -> float:
        """Dollars of one request.

        Args:
            read: all tokens that are sent, those in the cache included.
            written: tokens that come back.
            cached: of those that are sent, how many the cache has.

        Raises:
            ValueError: for counts that are no whole numbers of at least 0, or more cached ones than are sent.

        >>> prices = TokenPrices(read=0.15, written=0.60, cached=0.075, source="gpt-4o-mini")
        >>> prices.bill(read=10_000, cached=9_000, written=500)
        0.001125
        """
        for name, count in (("read", read), ("written", written), ("cached", cached)):
            check_whole(name, count, at_least=0, advice="it is a number of tokens")
        if cached > read:
            raise ValueError(f"expected cached to be a part of the {read:,} tokens read, got {cached:,}")
        return ((read - cached) * self.read + cached * self.cached + written * self.written) / 1e6


def api_prices(model: str, provider: str) -> TokenPrices:
    """The prices of a model as the installed ``genai-prices`` has them: a community's list, dated by its version.

    Prices that depend on the hour or on the length of the request are refused: read them from the provider.

    Raises:
        ImportError: where the package is not installed.
        ValueError: for a model that the list does not have, or has no plain price for.

    >>> api_prices("gpt-4o-mini", "openai").read
    0.15
    """
    try:
        import genai_prices
    except ImportError as error:
        raise ImportError(
            'expected genai-prices, got none: run pip install "large-models-companion[economics]"'
        ) from error
    try:
        listed = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model_ref=model, provider_id=provider)
    except LookupError as error:
        raise ValueError(
            f"expected a model and provider of genai-prices {genai_prices.__version__}, got {model!r} of {provider!r} "
            f"({error})"
        ) from error
    price = listed.model_price
    read, written = _plain(model, price.input_mtok), _plain(model, price.output_mtok)
    cached = read if price.cache_read_mtok is None else _plain(model, price.cache_read_mtok)
    source = f"{listed.model.name}, {listed.provider.name}, by genai-prices {genai_prices.__version__}"
    return TokenPrices(read, written, cached, source)


def _plain(model: str, price: object) -> float:
    try:
        return float(price)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"expected one price a token for {model}, got {price!r}: read it from the provider") from error


@same_examples("hourly_price", "tokens_per_second", "utilization")
def cost_per_token(
    hourly_price: ArrayLike, tokens_per_second: ArrayLike, utilization: ArrayLike = 1.0
) -> Float[np.ndarray, "..."]:
    r"""Dollars that a token costs which a machine of one's own writes.

    .. math:: \frac{\text{price an hour}}{3600 \cdot \text{tokens a second} \cdot u}

    A machine is paid for while nobody asks: the utilization :math:`u` divides, and it follows from the queue, since
    :func:`companion.economics.servers_needed` leaves servers idle to keep the wait short. Arguments may be draws of
    one length, and so is then the result.

    Args:
        hourly_price: of one machine, in dollars.
        tokens_per_second: that it writes at full load.
        utilization: the proportion of the time that it is at work, in (0, 1].

    Raises:
        ValueError: for values that are not positive, a utilization above 1, or indexes that differ.

    >>> round(1e6 * float(cost_per_token(2.5, 2_000, 0.4)), 3)  # dollars a million
    0.868
    """
    price, rate, busy = (
        as_given(name, values)
        for name, values in (
            ("hourly_price", hourly_price),
            ("tokens_per_second", tokens_per_second),
            ("utilization", utilization),
        )
    )
    if np.any(~(price > 0)) or np.any(~(rate > 0)) or np.any(~(busy > 0)):
        raise ValueError("expected positive prices, tokens a second and utilization")
    if np.any(busy > 1):
        raise ValueError(f"expected utilization of at most 1, got {busy.max():g}: write 0.4 for 40%")
    return price / (3_600 * rate * busy)
