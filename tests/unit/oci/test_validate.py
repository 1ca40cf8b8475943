from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.manifest import encode_json
from support.images import small_index
from support.validate import validate


def _other_manifest(index: Index) -> Index:
    first, second = index.children
    return Index(index.raw, (replace(first, raw_manifest=first.raw_manifest + b" "), second))


def _swapped(index: Index) -> Index:
    return Index(index.raw, index.children[::-1])


def _child_missing(index: Index) -> Index:
    return Index(index.raw, index.children[:1])


def _other_config(index: Index) -> Index:
    first, second = index.children
    return Index(index.raw, (replace(first, raw_config=second.raw_config), second))


def _layers_swapped(index: Index) -> Index:
    return _with_first(index, lambda image: replace(image, layers=image.layers[::-1]))


def _layer_missing(index: Index) -> Index:
    return _with_first(index, lambda image: replace(image, layers=image.layers[:1]))


def _other_content(index: Index) -> Index:
    def change(image: Image) -> Image:
        bad = structs.replace(image.layers[0], blob=BytesBlob(image.layers[0].descriptor, b"x"))
        return replace(image, layers=(bad, image.layers[1]))

    return _with_first(index, change)


def _other_diff_id(index: Index) -> Index:
    """Everything agrees, but the layer's content is not what its diff_id says."""

    def change(image: Image) -> Image:
        config = json.loads(image.raw_config)
        config["rootfs"]["diff_ids"][0] = str(Digest.of(b"x"))
        bad = structs.replace(image.layers[0], diff_id=Digest.of(b"x"))
        return _with_config(replace(image, layers=(bad, image.layers[1])), config)

    return index_of([change(index.children[0])], annotations={})


def _other_platform(index: Index) -> Index:
    raw = json.loads(index.raw)
    raw["manifests"][0]["platform"]["architecture"] = "s390x"
    return Index(encode_json(raw), index.children)


def _history_too_short(index: Index) -> Index:
    config = json.loads(index.children[0].raw_config)
    config["history"].pop()
    return index_of([_with_config(index.children[0], config)], annotations={})


def _no_gzip(index: Index) -> Index:
    def change(image: Image) -> Image:
        manifest = json.loads(image.raw_manifest)
        manifest["layers"][0]["mediaType"] += "x"
        return replace(image, raw_manifest=encode_json(manifest))

    return index_of([change(index.children[0])], annotations={})


def _with_first(index: Index, change: Callable[[Image], Image]) -> Index:
    return Index(index.raw, (change(index.children[0]), *index.children[1:]))


def _with_config(image: Image, config: object) -> Image:
    raw = encode_json(config)
    manifest = json.loads(image.raw_manifest)
    manifest["config"] |= {"digest": str(Digest.of(raw)), "size": len(raw)}
    return Image(encode_json(manifest), raw, image.layers)


@pytest.mark.parametrize(
    "damage",
    [
        _other_manifest,
        _swapped,
        _child_missing,
        _other_config,
        _layers_swapped,
        _layer_missing,
        _other_content,
        _other_diff_id,
        _other_platform,
        _history_too_short,
        _no_gzip,
    ],
)
def test_what_is_found(tmp_path: Path, damage: Callable[[Index], Index]) -> None:
    index = small_index(tmp_path)
    validate(index)
    with pytest.raises(ContentInvalid):
        validate(damage(index))
