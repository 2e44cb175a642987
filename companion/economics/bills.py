"""From operations to device hours and money, and from hours back to the utilization that they imply."""

from dataclasses import dataclass

from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class TrainingBill:
    """What one run costs that does not fail.

    Attributes:
        flops: operations of the run.
        device_hours: of all devices together.
        days: on the wall, with all devices at work.
        dollars: device hours times their price.
    """

    flops: float
    device_hours: float
    days: float
    dollars: float


def training_bill(flops: float, *, peak: float, utilization: float, price: float, devices: int = 1) -> TrainingBill:
    """The hours and the money that ``flops`` operations take.

    Args:
        flops: operations of the run, such as :func:`companion.economics.compute.six_nd` or ``training_flops`` count.
        peak: operations a second that a device reaches at best.
        utilization: the proportion of the peak that the run reaches, in (0, 1].
        price: dollars for an hour of one device.
        devices: at work at once; more of them shorten the days and do not change the money.

    Raises:
        ValueError: for numbers that are not positive, or a utilization above 1.

    >>> bill = training_bill(3.14e23, peak=312e12, utilization=0.4, price=1.0, devices=1_000)
    >>> round(bill.device_hours), round(bill.days, 1)
    (698896, 29.1)
    """
    _check(flops=flops, peak=peak, utilization=utilization, price=price, devices=devices)
    if utilization > 1:
        raise ValueError(f"expected utilization of at most 1, got {utilization}: write 0.4 for 40%")
    hours = flops / (peak * utilization) / 3_600
    return TrainingBill(flops=flops, device_hours=hours, days=hours / devices / 24, dollars=hours * price)


def affordable_flops(dollars: float, *, peak: float, utilization: float, price: float) -> float:
    """The operations that ``dollars`` buy; arguments as :func:`training_bill`, whose inverse it is.

    >>> bill = training_bill(1e21, peak=989e12, utilization=0.4, price=2.5)
    >>> round(affordable_flops(bill.dollars, peak=989e12, utilization=0.4, price=2.5) / 1e21, 9)
    1.0
    """
    check_positive("dollars", dollars)
    return dollars / training_bill(1.0, peak=peak, utilization=utilization, price=price).dollars


def model_flops_utilization(flops: float, *, device_hours: float, peak: float) -> float:
    """The proportion of the peak that a run's model operations made use of (MFU; Chowdhery et al. 2023, section 4.1).

    What is computed twice to save memory does not count. Hours of restarts and evaluations do, where they are in the
    bill.

    Args:
        flops: operations that the model needs for the run.
        device_hours: of all devices together.
        peak: operations a second that a device reaches at best.

    Raises:
        ValueError: for numbers that are not positive.

    >>> round(model_flops_utilization(6 * 70e9 * 2e12, device_hours=1_720_320, peak=312e12), 3)
    0.435
    """
    _check(flops=flops, device_hours=device_hours, peak=peak)
    return flops / (peak * device_hours * 3_600)


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        check_positive(name, value)
