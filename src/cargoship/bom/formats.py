"""The formats of SBOMs that are written here."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # who reads settings meets formats, and seldom writes an SBOM
    from cargoship.bom.sbom import Sbom


class SbomFormat(enum.StrEnum):
    """A format, by the name that it has in the settings."""

    CYCLONEDX = "cyclonedx"
    """1.6, which most scanners read."""
    CYCLONEDX_1_5 = "cyclonedx-1.5"
    CYCLONEDX_1_7 = "cyclonedx-1.7"
    SPDX = "spdx"
    """2.3."""
    SPDX_3 = "spdx-3"
    """3.0.1; its media type and predicate type are those of 2.3."""

    @property
    def media_type(self) -> str:
        """Of a document in it."""
        from cargoship.bom import cyclonedx, spdx

        return spdx.MEDIA_TYPE if self in _SPDX else cyclonedx.MEDIA_TYPE

    @property
    def predicate_type(self) -> str:
        """Of the statement of in-toto that a document in it is the predicate of."""
        from cargoship.bom import cyclonedx, spdx

        return spdx.PREDICATE_TYPE if self in _SPDX else cyclonedx.PREDICATE_TYPE

    def write(self, sbom: Sbom) -> bytes:
        """The SBOM in this format; the same bytes for the same SBOM."""
        from cargoship.bom.cyclonedx import cyclonedx
        from cargoship.bom.spdx import spdx
        from cargoship.bom.spdx3 import spdx3

        match self:
            case SbomFormat.SPDX:
                return spdx(sbom)
            case SbomFormat.SPDX_3:
                return spdx3(sbom)
            case SbomFormat.CYCLONEDX:
                return cyclonedx(sbom, "1.6")
            case _:
                return cyclonedx(sbom, self.value.rpartition("-")[2])


_SPDX = frozenset({SbomFormat.SPDX, SbomFormat.SPDX_3})
