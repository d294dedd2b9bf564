"""Proves the rate limits: consumption, refill, and separation by address."""

import pytest

from server.auth.limits import ADDRESSES_REMEMBERED, AddressAllowances, Allowance, site_of


class Watch:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_budget_is_spent_in_a_burst_and_refills_at_its_rate() -> None:
    watch = Watch()
    allowance = Allowance(rate=10, burst=5, now=watch)
    assert [allowance.refuse() for _ in range(5)] == [0] * 5
    assert allowance.refuse() == pytest.approx(0.1)
    watch.seconds = 0.1
    assert allowance.refuse() == 0
    watch.seconds = 100
    assert [allowance.refuse() for _ in range(6)][-1] == pytest.approx(0.1)


def test_credit_is_waited_for_the_longer_the_more_is_taken() -> None:
    allowance = Allowance(rate=10, burst=1, now=Watch())
    assert [round(allowance.take(), 3) for _ in range(4)] == [0, 0.1, 0.2, 0.3]


def test_addresses_have_budgets_of_their_own_and_the_longest_silent_is_forgotten() -> None:
    allowances = AddressAllowances(rate=1, burst=1, now=Watch())
    assert allowances.of("192.0.2.1").refuse() == 0
    assert allowances.of("192.0.2.1").refuse() > 0
    assert allowances.of("192.0.2.2").refuse() == 0
    for number in range(ADDRESSES_REMEMBERED):
        allowances.of(str(number))
    assert allowances.of("192.0.2.1").refuse() == 0


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_one_customer_is_one_site(address: str, site: str) -> None:
    assert site_of(address) == site
