"""Queues against closed forms written out another way, published tables, and simulation."""

from math import exp, factorial, log

import numpy as np
import pytest
from scipy.integrate import quad

from companion.economics import MG1, MMc, erlang_b, erlang_c, servers_needed, simulate_waits
from companion.economics.waiting import response_quantile

N = 200_000


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def run(rng, rate, services, servers=1):
    """Waits and responses behind a warm-up of a tenth."""
    arrivals = np.cumsum(rng.exponential(1 / rate, len(services)))
    waits = simulate_waits(arrivals, services, servers=servers)
    kept = slice(len(services) // 10, None)
    return waits[kept], (waits + services)[kept]


# Erlang


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.0101), (5, 1.361), (10, 4.461), (15, 8.108), (20, 12.03), (100, 84.06)]
)
def test_an_erlang_table_of_1_percent(servers, load):
    """Loads as tables of telephone traffic print them, such as the calculator of erlang.com (15 lines: 8.108)."""
    assert erlang_b(load, servers) == pytest.approx(0.01, rel=2e-3)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (2, 1.3), (5, 4.1), (13, 11.0)])
def test_erlang_formulas_as_sums(servers, load):
    terms = [load**k / factorial(k) for k in range(servers + 1)]
    assert erlang_b(load, servers) == pytest.approx(terms[-1] / sum(terms))
    last = terms[-1] * servers / (servers - load)
    assert erlang_c(load, servers) == pytest.approx(last / (sum(terms[:-1]) + last))


def test_losses_and_waits_of_large_systems_do_not_overflow():
    assert 0 < erlang_b(10_000, 10_000) < 0.01
    assert 0 < erlang_c(9_900, 10_000) < 1


def test_a_loss_system_may_be_overloaded_and_a_waiting_one_may_not():
    assert erlang_b(20, 10) > 0.5
    with pytest.raises(ValueError, match=r"utilization below 1, got 2 \(20 erlangs on 10\).*take more servers"):
        erlang_c(20, 10)


# M/M/c


def test_one_server_by_its_textbook_formulas():
    queue = MMc(arrival_rate=3.0, mean_service=0.25)
    assert queue.utilization == queue.wait_probability == pytest.approx(0.75)
    assert queue.mean_wait == pytest.approx(0.75 / (4 - 3))
    assert queue.mean_response == pytest.approx(1 / (4 - 3))
    assert queue.mean_in_system == pytest.approx(0.75 / 0.25)
    assert queue.response_exceeds(2) == pytest.approx(exp(-2))
    assert queue.wait_exceeds(2) == pytest.approx(0.75 * exp(-2))


@pytest.mark.parametrize("rho", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_quantiles_of_one_server_are_fixed_multiples_of_its_mean(rho, level):
    queue = MMc(rho, 1.0)
    assert queue.response_quantile(level) == pytest.approx(-log(1 - level) * queue.mean_response)


@pytest.mark.parametrize(("rate", "servers"), [(0.9, 1), (2.2, 3), (2.0, 3), (6.5, 7)])
def test_tails_integrate_to_means_and_quantiles_invert_them(rate, servers):
    """Rate 2.0 with three servers makes the two rates of the response equal."""
    queue = MMc(rate, 1.0, servers)
    assert quad(queue.wait_exceeds, 0, 400)[0] == pytest.approx(queue.mean_wait, rel=1e-6)
    assert quad(queue.response_exceeds, 0, 400, limit=200)[0] == pytest.approx(queue.mean_response, rel=1e-6)
    for level in (0.3, 0.95):
        assert queue.response_exceeds(queue.response_quantile(level)) == pytest.approx(1 - level)
        assert queue.wait_exceeds(queue.wait_quantile(level)) <= 1 - level + 1e-12


def test_equal_rates_are_the_limit_of_unequal_ones():
    assert MMc(2.0, 1.0, 3).response_exceeds(1.7) == pytest.approx(
        MMc(2.0 + 1e-7, 1.0, 3).response_exceeds(1.7), rel=1e-5
    )


def test_many_servers_against_simulation(rng):
    queue = MMc(4.0, 1.0, 5)
    waits, responses = run(rng, 4.0, rng.exponential(1.0, N), servers=5)
    assert (waits > 0).mean() == pytest.approx(queue.wait_probability, abs=0.02)
    assert waits.mean() == pytest.approx(queue.mean_wait, rel=0.08)
    assert np.quantile(responses, 0.95) == pytest.approx(queue.response_quantile(0.95), rel=0.05)


def test_who_need_not_wait_waits_zero():
    assert MMc(0.1, 1.0, 2).wait_quantile(0.9) == 0


def test_servers_needed_is_the_least():
    least = servers_needed(7.3, 1.1, seconds=3.2, level=0.9)
    assert MMc(7.3, 1.1, least).response_quantile(0.9) <= 3.2 < MMc(7.3, 1.1, least - 1).response_quantile(0.9)


def test_no_number_of_servers_makes_service_itself_faster():
    with pytest.raises(ValueError, match=r"seconds above 3, what exponential service of mean 1 takes alone.*faster"):
        servers_needed(1.0, 1.0, seconds=2.9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.0, 1.0), "arrival_rate to be a positive number, got 0.0"),
        ((1.0, -1.0), "mean_service to be a positive number, got -1.0"),
        ((1.0, 0.5, 0), "servers of at least 1, got 0"),
        ((1.0, 0.5, 1.5), "servers to be a whole number, got 1.5"),
        ((2.0, 1.0, 2), r"utilization below 1, got 1 \(2 erlangs on 2\)"),
    ],
)
def test_bad_queues_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MMc(*arguments)


@pytest.mark.parametrize("ask", ["wait_exceeds", "response_exceeds"])
def test_a_wait_below_zero_is_refused(ask):
    with pytest.raises(ValueError, match="seconds to be a number of at least 0, got -1"):
        getattr(MMc(0.5, 1.0), ask)(-1)


@pytest.mark.parametrize("level", [0, 1, 99])
def test_a_level_is_a_proportion(level):
    with pytest.raises(ValueError, match="level"):
        MMc(0.5, 1.0).response_quantile(level)


# M/G/1


@pytest.mark.parametrize(("scv", "draw"), [(0.0, "equal"), (1.0, "exponential"), (2.56, "two"), (1 / 3, "uniform")])
def test_pollaczek_khinchine_against_simulation(rng, scv, draw):
    services = {
        "equal": np.ones(N),
        "exponential": rng.exponential(1.0, N),
        "two": np.where(rng.random(N) < 0.8, 0.2, 4.2),
        "uniform": 2 * rng.random(N),
    }[draw]
    queue = MG1(0.7, 1.0, scv)
    waits, _ = run(rng, 0.7, services)
    assert waits.mean() == pytest.approx(queue.mean_wait, rel=0.08)
    assert (waits > 0).mean() == pytest.approx(queue.utilization, abs=0.01)


def test_it_is_the_second_moment_that_counts():
    mean, second = 0.2 * 0.8 + 4.2 * 0.2, 0.04 * 0.8 + 17.64 * 0.2
    queue = MG1(0.7, mean, second / mean**2 - 1)
    assert queue.mean_wait == pytest.approx(0.7 * second / 2 / (1 - 0.7 * mean))
    assert queue.mean_response == pytest.approx(queue.mean_wait + mean)
    assert queue.mean_in_system == pytest.approx(0.7 * queue.mean_response)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0.5, 1.0, -0.1), "scv to be a number of at least 0, got -0.1"), ((1.0, 1.0, 1.0), "utilization below 1")],
)
def test_bad_general_queues_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MG1(*arguments)


# From measured times


def test_lindley_by_hand(rng):
    arrivals, services = np.cumsum(rng.exponential(1.0, 500)), rng.exponential(0.9, 500)
    expected = [0.0]
    for i in range(499):
        expected.append(max(0.0, expected[-1] + services[i] - (arrivals[i + 1] - arrivals[i])))
    np.testing.assert_allclose(simulate_waits(arrivals, services), expected, atol=1e-9)


def test_two_servers_by_hand():
    waits = simulate_waits([0, 1, 2, 3, 30], [10, 10, 1, 1, 1], servers=2)
    np.testing.assert_array_equal(waits, [0, 0, 8, 8, 0])


def test_servers_that_are_never_short_let_nobody_wait(rng):
    services = rng.exponential(1.0, 50)
    assert not simulate_waits(np.arange(50.0), services, servers=50).any()


@pytest.mark.parametrize(
    ("arrivals", "services", "said"),
    [
        ([0, 2, 1], [1, 1, 1], "arrivals in order"),
        ([0, 1], [1, -1], "services of at least 0 seconds, got -1"),
        ([0, 1], [1], "length"),
    ],
)
def test_bad_requests_are_refused(arrivals, services, said):
    with pytest.raises(ValueError, match=said):
        simulate_waits(arrivals, services)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_measured_exponential_times_give_the_closed_form(rho, level):
    services = -np.log1p(-(np.arange(200_000) + 0.5) / 200_000)
    assert response_quantile(rho, services, level) == pytest.approx(MMc(rho, 1.0).response_quantile(level), rel=2e-3)


def test_equal_times_give_crommelins_waits():
    """M/D/1: P(W <= t) = (1 - rho) sum_k (-rho (t - k))^k / k! exp(rho (t - k)), Crommelin 1932, at t below 3."""
    rho = 0.6
    for t in (0.5, 1.7, 2.9):
        level = (1 - rho) * sum((-rho * (t - k)) ** k / factorial(k) * exp(rho * (t - k)) for k in range(int(t) + 1))
        assert response_quantile(rho, [1.0], level) == pytest.approx(1 + t, rel=2e-3)


def test_times_of_two_kinds_against_simulation(rng):
    services = rng.choice([0.2, 0.2, 0.2, 0.2, 4.2], N)
    _, responses = run(rng, 0.6, services)
    for level in (0.5, 0.95, 0.99):
        assert response_quantile(0.6, [0.2, 0.2, 0.2, 0.2, 4.2], level) == pytest.approx(
            np.quantile(responses, level), rel=0.06
        )


def test_measured_times_are_positive():
    with pytest.raises(ValueError, match="services above 0 seconds, got 0"):
        response_quantile(0.5, [1.0, 0.0], 0.9)


@pytest.mark.parametrize(("load", "servers"), [(90.0, 101), (150.0, 200), (3_000.0, 3_050), (5_000.0, 4_000)])
def test_many_servers_by_the_recursion(load, servers):
    lost = 1.0
    for busy in range(1, servers + 1):
        lost = load * lost / (busy + load * lost)
    assert erlang_b(load, servers) == pytest.approx(lost, rel=1e-9)


def test_services_that_no_grid_tells_apart_are_refused():
    """A median of about a millisecond, where one request in 100,000 takes a quarter of an hour."""
    services = np.append(np.full(99_999, 1e-3), 1_000.0)
    with pytest.raises(ValueError, match="expected services that one grid can tell apart, got 0.001 to 1e.03 seconds"):
        response_quantile(1.0, services, 0.5)


def test_a_few_long_services_make_the_grid_finer():
    services = np.append(np.full(999, 1e-2), 20.0)
    assert response_quantile(1e-6, services, 0.5) == pytest.approx(1e-2, rel=2e-3)  # nobody else is there
