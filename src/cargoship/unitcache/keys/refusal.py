"""Why a unit is not kept, as an exception that ends the look at it."""

from __future__ import annotations


class NotKept(Exception):
    """Why a unit cannot be kept, for people. It never leaves the unit cache."""
