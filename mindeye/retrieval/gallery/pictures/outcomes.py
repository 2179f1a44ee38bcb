"""A picture that was asked for, or why there is none, and whether that may pass."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses of a server that may answer another time."""


class Unfetched(Exception):  # noqa: N818 - an outcome, not a fault
    """Why a picture cannot be had, in a few words; and whether it may be had another time."""

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


class Fetched(NamedTuple):
    """A picture, or why there is none."""

    picture: UInt8[np.ndarray, "height width 3"] | None
    why: str | None
    passing: bool = False
    """Whether it may be had another time."""


def is_passing(error: Exception) -> bool:
    """Whether a connection that failed so may succeed another time.

    A name that nobody has, a certificate that does not fit, and an address that is not asked
    stay; of a name that could not be looked up nothing is known.
    """
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    lasting = (ssl.SSLCertVerificationError, ValueError, http.client.InvalidURL)
    return not isinstance(error, lasting)


def counted_reasons(reasons: Mapping[str, int]) -> str:
    """`12 status 404, 3 text/html, no picture` for a message; the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return "; ".join(f"{count} x {reason}" for reason, count in ordered)
