"""What tests of models share."""

import pytest

from companion.models import smollm2


@pytest.fixture(scope="session")
def assistant():
    """The real assistant and its tokenizer; converted where the cache does not have it. Tests do not change it."""
    return smollm2()
