"""What one accelerator offers, from its maker's data sheet: operations, bandwidth and memory."""

from dataclasses import dataclass

from companion.runtime import DENSE_TFLOPS
from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class Accelerator:
    """One device, or several that work as one: ``Accelerator(8 * flops, 8 * bandwidth, 8 * memory)``.

    Attributes:
        flops: dense operations a second of matrix products in bfloat16, at best.
        bandwidth: bytes a second between memory and processor, at best.
        memory: bytes.

    Raises:
        ValueError: for a number that is not positive.
    """

    flops: float
    bandwidth: float
    memory: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_positive(name, value)


def _gpu(name: str, *, bandwidth: float, memory: float) -> Accelerator:
    return Accelerator(1e12 * DENSE_TFLOPS[name], bandwidth, memory)


#: Devices by name, from the data sheets; memory in decimal gigabytes as printed there, TPUs' from Google's pages.
ACCELERATORS = {
    "H200": _gpu("H200", bandwidth=4.8e12, memory=141e9),
    "H100": _gpu("H100", bandwidth=3.35e12, memory=80e9),
    "A100": _gpu("A100", bandwidth=2.039e12, memory=80e9),
    "L40S": _gpu("L40S", bandwidth=0.864e12, memory=48e9),
    "L4": _gpu("L4", bandwidth=0.3e12, memory=24e9),
    "TPU v4": Accelerator(275e12, 1.2e12, 32e9),
    "TPU v5e": Accelerator(197e12, 0.82e12, 16e9),
}
