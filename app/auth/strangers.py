"""Strangers: how many tokens that are no good an address may show to this process. Over it: 429, and when to come back.

A token that looks right costs a question to the database before it is known to be invented. What may surprise: an
address that is over its limit is not shut out. Whoever has shown a good token to this process goes on with it, since
behind a proxy or a company's router many share one address; only tokens that are not known yet are not looked at.
"""

import math
from ipaddress import IPv6Address, ip_address

from app.budgets import Budget
from app.errors import TooManyRequests

#: Bits of an IPv6 address that name a network; all the others one customer may choose as he likes (RFC 6177 §2).
NETWORK_BITS = 64


class Strangers:
    """Counts refused tokens by address. `per_s` is how many in a second, on average; 0 is any number."""

    def __init__(self, per_s: int) -> None:
        self._budget = Budget(per_s) if per_s else None

    def admit(self, address: str | None, now: float) -> None:
        """Return only if an unknown token from this address is to be looked at. Raises TooManyRequests."""
        if self._budget and (pause_s := self._budget.pause_s(network(address), now)):
            raise TooManyRequests(
                "Too many tokens from this address were no good.",
                limit="address",
                retry_after_s=max(1, math.ceil(pause_s)),
            )

    def refused(self, address: str | None, now: float) -> None:
        """Have a token from this address counted as refused."""
        if self._budget:
            self._budget.spend(network(address), 1, now)


def network(address: str | None) -> str:
    """Return what is counted as one: the address itself, of IPv6 its network; whatever is no address is one, too."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return ""
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:  # As a socket for both kinds has it.
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> NETWORK_BITS << NETWORK_BITS))
