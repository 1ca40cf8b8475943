"""Where images differ, as text or JSON. Nothing in an image, which is anybody's, reaches a terminal as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cargoship.cli.render import words
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.images.comparing.difference import Comparison, Difference, ImageDifference

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_SHOWN_CHARACTERS = 160
_DIGEST_CHARACTERS = len("sha256:") + 12
_CALLED = {"build-id": "build id", "attached": "attestation", "image": "image", "packing": "packing"}


def comparison_text(found: Comparison, paint: Paint) -> str:
    """What differs, for people: a line each, with + for what OTHER has more, - for what it lacks, ~ for the rest."""
    one, other = (f"{paint.strong(printable(target))} {digest}" for target, digest in _sides(found))
    if found.is_equal:
        same = "are the same" if found.digests[0] == found.digests[1] else "have the same images for what was asked"
        return f"{one}\n{other}\n  {same}"
    blocks = [f"--- {one}\n+++ {other}"]
    if found.differences:
        blocks.append("\n".join(["index", *_lines(found.differences, paint, 1)]))
    blocks += ["\n".join(_image(image, paint)) for image in found.images if not image.is_equal]
    same_ones = [printable(image.platforms[0]) for image in found.images if image.is_equal]
    if same_ones:
        blocks.append(f"the same: {', '.join(same_ones)}")
    return "\n".join(blocks)


def _sides(found: Comparison) -> Iterator[tuple[str, str]]:
    yield from zip(found.targets, map(str, found.digests), strict=True)


def _image(image: ImageDifference, paint: Paint) -> Iterator[str]:
    one, other = (printable(each) for each in image.platforms)
    yield paint.strong(one if one == other else f"{one} and {other}")
    yield from _lines(image.differences, paint, 1)


def _lines(differences: Iterable[Difference], paint: Paint, depth: int) -> Iterator[str]:
    for each in differences:
        kind = each.kind.value
        said = "" if kind in {"file", "attribute"} else f"{_CALLED.get(kind, kind)} "
        name = "" if kind == "build-id" else each.name
        line = f"{'  ' * depth}{_SIGNS[each.change.value]} {said}{printable(name)}".rstrip()
        values = _values(each)
        yield f"{line}  {values}" if values else paint.strong(line) if kind == "file" else line
        yield from _lines(each.details, paint, depth + 1)


def _values(difference: Difference) -> str:
    """Both values, or the one that there is."""
    change = difference.change.value
    if change == "changed":
        if difference.old is None and difference.new is None:
            return ""
        if _is_other_content(difference):
            return "other contents"
        return f"{_value(difference, difference.old)} -> {_value(difference, difference.new)}"
    return _value(difference, difference.new if change == "added" else difference.old)


def _is_other_content(difference: Difference) -> bool:
    """Whether there is nothing to say of two contents but that they differ."""
    old, new = difference.old, difference.new
    if isinstance(old, dict) and isinstance(new, dict):
        return difference.kind.value == "section" and old.get("size") == new.get("size")
    return difference.kind.value == "attribute" and difference.name == "contents" and None not in {old, new}


def _value(difference: Difference, value: object) -> str:
    kind = difference.kind.value
    if isinstance(value, dict):
        return _record(kind, value)
    if kind == "attribute" and difference.name == "size":
        return "none" if value is None else f"{value} bytes"
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _short(text) or '""'


def _record(kind: str, value: dict[str, Any]) -> str:
    """A layer, a section or a file in a few words."""
    size = words.size(value["size"]) if isinstance(value.get("size"), int) else ""
    if kind in {"layer", "packing"}:
        return f"{str(value['digest'])[:_DIGEST_CHARACTERS]} ({size})"
    if kind == "section":
        return f"{value['size']} bytes"
    if kind == "file":
        link = f"to {value['link']}" if "link" in value else ""
        about = (value["type"], link, size, value.get("mode"), value.get("owner"))
        return _short(" ".join(str(each) for each in about if each))
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."


def comparison_document(found: Comparison) -> dict[str, object]:
    """The same for programs; nothing is left out."""
    one, other = ({"target": target, "digest": digest} for target, digest in _sides(found))
    return {
        "equal": found.is_equal,
        "one": one,
        "other": other,
        "differences": [each.to_json() for each in found.differences],
        "images": [
            {
                "platform": image.platforms[0],
                "other_platform": image.platforms[1],
                "digest": str(image.digests[0]),
                "other_digest": str(image.digests[1]),
                "equal": image.is_equal,
                "shared_layers": image.shared_layers,
                "differences": [each.to_json() for each in image.differences],
            }
            for image in found.images
        ],
    }
