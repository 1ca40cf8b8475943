"""Turn a Cargo project into a multi-architecture container image."""

from cargoship.version import __version__

__all__ = ["__version__"]
