"""What a command says of a share that it has estimated."""

from __future__ import annotations

from skrobust import CorruptionEstimate

__all__ = ["describe_estimate", "note_on_doubt"]


def describe_estimate(estimate: CorruptionEstimate) -> str:
    """Say the share and its interval in a few words."""
    if estimate.doubt is None:
        return f"{estimate.rate:.1%}, estimated ({estimate.low:.1%} to {estimate.high:.1%})"
    return f"{estimate.rate:.1%}, a guess ({estimate.low:.1%} to {estimate.high:.1%})"


def note_on_doubt(estimate: CorruptionEstimate, what: str, option: str) -> list[str]:
    """Return a sentence on why the estimate cannot be relied on, if there is a reason."""
    if estimate.doubt is None:
        return []
    return [
        f"the share of {what} cannot be estimated reliably: {estimate.doubt}; pass {option} if you "
        "know better"
    ]
