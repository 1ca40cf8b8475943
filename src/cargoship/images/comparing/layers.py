"""Which layers two images share, and which only one of them has: known by what is in them, however packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from msgspec import Struct

from cargoship.images.comparing.difference import Change, Difference, DifferenceKind
from cargoship.oci.layer import Layer

_MATCHED_MAX = 400
"""Engines take 127 layers; of more, only those at both ends are looked for in the other image."""


class LayerPairs(Struct, frozen=True):
    """Runs of layers, lowest first: those that both images have, and what each has in the place of the other's."""

    one: tuple[Layer, ...]
    other: tuple[Layer, ...]
    shared: tuple[tuple[int, int], ...]
    replaced: tuple[tuple[range, range], ...]

    def unshared(self) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
        """The layers of each that the other has not."""
        old = tuple(self.one[at] for run, _ in self.replaced for at in run)
        new = tuple(self.other[at] for _, run in self.replaced for at in run)
        return old, new


def pairs_of(one: Sequence[Layer], other: Sequence[Layer]) -> LayerPairs:
    """Pair the layers of two images by what is in them, in their order."""
    old, new = [str(layer.diff_id) for layer in one], [str(layer.diff_id) for layer in other]
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    shared = [(at, at) for at in range(start)]
    shared += _between(old[start : len(old) - end], new[start : len(new) - end], start)
    shared += [(len(old) - at, len(new) - at) for at in range(end, 0, -1)]
    return LayerPairs(tuple(one), tuple(other), tuple(shared), tuple(_gaps(shared, len(old), len(new))))


def _between(old: Sequence[str], new: Sequence[str], start: int) -> Iterator[tuple[int, int]]:
    if max(len(old), len(new)) <= _MATCHED_MAX:
        for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
            yield from ((start + block.a + at, start + block.b + at) for at in range(block.size))


def _gaps(shared: Sequence[tuple[int, int]], old: int, new: int) -> Iterator[tuple[range, range]]:
    left = right = 0
    for one, other in (*shared, (old, new)):
        if one > left or other > right:
            yield range(left, one), range(right, other)
        left, right = one + 1, other + 1


def layer_differences(pairs: LayerPairs) -> Iterator[Difference]:
    """Layers that only one image has; and those that both have, packed in another way."""
    for one, other in pairs.shared:
        old, new = pairs.one[one].descriptor, pairs.other[other].descriptor
        if (old.digest, old.size_bytes, old.media_type) != (new.digest, new.size_bytes, new.media_type):
            said = (_said(pairs.one[one]), _said(pairs.other[other]))
            yield Difference(DifferenceKind.PACKING, f"{one + 1}", Change.CHANGED, *said)
    for run, another in pairs.replaced:
        for at in range(max(len(run), len(another))):
            before = _said(pairs.one[run[at]]) if at < len(run) else None
            after = _said(pairs.other[another[at]]) if at < len(another) else None
            change = Change.ADDED if before is None else Change.REMOVED if after is None else Change.CHANGED
            number = (run[at] if before is not None else another[at]) + 1
            yield Difference(DifferenceKind.LAYER, f"{number}", change, before, after)


def _said(layer: Layer) -> dict[str, object]:
    descriptor = layer.descriptor
    return {
        "digest": str(descriptor.digest),
        "size": descriptor.size_bytes,
        "mediaType": descriptor.media_type,
        "diffId": str(layer.diff_id),
    }
