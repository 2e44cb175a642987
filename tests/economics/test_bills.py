"""Hours, money and utilization against bills that were printed."""

import pytest

from companion.economics import ACCELERATORS, affordable_flops, model_flops_utilization, training_bill
from companion.economics.compute import training_flops
from companion.models import PUBLISHED

A100 = ACCELERATORS["A100"].flops


@pytest.mark.parametrize(
    ("parameters", "hours", "utilization"),  # Touvron et al. 2023, table 2; 2 trillion tokens each
    [(7e9, 184_320, 0.406), (13e9, 368_640, 0.377), (34e9, 1_038_336, 0.350), (70e9, 1_720_320, 0.435)],
)
def test_llama_2_reached_these_proportions_of_the_peak(parameters, hours, utilization):
    found = model_flops_utilization(6 * parameters * 2e12, device_hours=hours, peak=A100)
    assert found == pytest.approx(utilization, abs=5e-4)


@pytest.mark.parametrize(("attention", "percent"), [(0, 45.7), (12 * 118 * 48 * 256 * 2_048, 46.2)])
def test_palm_is_46_percent(attention, percent):
    """Chowdhery et al. 2023, section 4.1 and appendix B: 238,300 tokens a second on 6,144 TPU v4."""
    flops = 238_300 * 3_600 * (6 * 540.35e9 + attention)
    found = model_flops_utilization(flops, device_hours=6_144, peak=ACCELERATORS["TPU v4"].flops)
    assert 100 * found == pytest.approx(percent, abs=0.05)


def test_a_bill_and_its_utilization_are_inverse():
    bill = training_bill(7e21, peak=989e12, utilization=0.37, price=2.5, devices=16)
    assert model_flops_utilization(7e21, device_hours=bill.device_hours, peak=989e12) == pytest.approx(0.37)
    assert bill.dollars == pytest.approx(2.5 * bill.device_hours)
    assert bill.days * 24 * 16 == pytest.approx(bill.device_hours)
    assert affordable_flops(bill.dollars, peak=989e12, utilization=0.37, price=2.5) == pytest.approx(7e21)


def test_llama_2_70b_by_its_config_takes_a_little_more_than_6nd():
    """6ND leaves attention out: 4% at 4,096 tokens below the diagonal."""
    config = PUBLISHED["Llama-2 70B"]
    counted = training_flops(config, batch=1, time=4_096, causal=True) / 4_096
    assert counted / (6 * (68_976_648_192 - 32_000 * 8_192)) == pytest.approx(1.039, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"utilization": 40}, "at most 1"), ({"price": 0}, "price"), ({"flops": float("inf")}, "flops")],
)
def test_what_is_no_bill_is_refused(change, message):
    given = {"flops": 1e20, "peak": 1e15, "utilization": 0.4, "price": 2.5} | change
    with pytest.raises(ValueError, match=message):
        training_bill(given.pop("flops"), **given)
