"""Everything that cargoship does, by its name: where each is, so that a run loads what it uses and nothing else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cargoship.diagnosis import doctor
    from cargoship.images.copying import copy, inspect
    from cargoship.images.merging import merge
    from cargoship.images.sboms import find_sbom
    from cargoship.images.signatures import verify_signatures
    from cargoship.images.verification import inspect_programs, verify
    from cargoship.pins import pin_base
    from cargoship.pipeline import build, build_each, pack
    from cargoship.planning import by_workspace, foresee, plan

_HOMES = {
    "build": "cargoship.pipeline",
    "build_each": "cargoship.pipeline",
    "by_workspace": "cargoship.planning",
    "copy": "cargoship.images.copying",
    "doctor": "cargoship.diagnosis",
    "find_sbom": "cargoship.images.sboms",
    "foresee": "cargoship.planning",
    "inspect": "cargoship.images.copying",
    "inspect_programs": "cargoship.images.verification",
    "merge": "cargoship.images.merging",
    "pack": "cargoship.pipeline",
    "pin_base": "cargoship.pins",
    "plan": "cargoship.planning",
    "verify": "cargoship.images.verification",
    "verify_signatures": "cargoship.images.signatures",
}

__all__ = [
    "build",
    "build_each",
    "by_workspace",
    "copy",
    "doctor",
    "find_sbom",
    "foresee",
    "inspect",
    "inspect_programs",
    "merge",
    "pack",
    "pin_base",
    "plan",
    "verify",
    "verify_signatures",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
