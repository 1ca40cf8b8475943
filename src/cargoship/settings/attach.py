"""How what is said about an image (SBOMs, provenance) goes with it."""

from __future__ import annotations

import enum


class Attach(enum.StrEnum):
    """A way, by the name that it has in the settings."""

    REFERRERS = "referrers"
    """Manifests that refer to the image (image-spec, manifest.md, "subject"); in a layout beside its one entry."""
    ENTRIES = "entries"
    """The same; in a layout entries of its `index.json`, where oras looks for them."""
    INDEX = "index"
    """BuildKit's: statements inside the image's index."""
    BOTH = "both"
    """Referrers, and statements inside the index."""
    NONE = "none"

    @property
    def refers(self) -> bool:
        """Whether there are manifests that refer to the image."""
        return self in {Attach.REFERRERS, Attach.ENTRIES, Attach.BOTH}

    @property
    def in_index(self) -> bool:
        """Whether there are statements in the image's index."""
        return self in {Attach.INDEX, Attach.BOTH}
