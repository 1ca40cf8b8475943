"""The index: the same bytes for the same content, strict in what it reads, and merging loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import ZstdCompressor
from cargoship.unitcache.packs import index_format
from cargoship.unitcache.packs.index import PLANS_MAX, PLANS_OF_A_BUILD_MAX, BuildRecord, PackInfo, UnitEntry, UnitIndex
from cargoship.unitcache.packs.index_format import UnitGroup, decode_unit_index, encode_unit_index, groups_of
from cargoship.unitcache.resolve import Entries

digests = st.integers(0, 30).map(lambda number: Digest.of(b"%d" % number))
texts = st.text(max_size=8)
parts = st.dictionaries(texts, texts, max_size=3)
tables = st.dictionaries(texts, digests, max_size=3)
SIZE = 10_000


@st.composite
def entries(draw: st.DrawFn) -> UnitEntry:
    offset = draw(st.integers(0, SIZE - 100))
    return UnitEntry(
        key=draw(digests),
        pack=draw(digests),
        offset=offset,
        length=draw(st.integers(1, SIZE - offset)),
        frame=draw(digests),
        unpacked=draw(st.integers(1, 1 << 30)),
        name=draw(texts),
        parts=draw(parts),
        seconds=draw(st.floats(0, 1e6)),
        inputs=draw(tables),
        output=draw(digests),
        place=draw(texts),
    )


@st.composite
def indexes(draw: st.DrawFn) -> UnitIndex:
    index = UnitIndex().with_packs({pack: PackInfo(SIZE, 1) for pack in draw(st.sets(digests, max_size=10))})
    index = index.with_entries(entry for entry in draw(st.lists(entries(), max_size=10)) if entry.pack in index.packs)
    for number, key in enumerate(draw(st.lists(digests, max_size=4, unique=True))):
        plan = BuildRecord(
            key, tuple(draw(st.lists(digests, max_size=3))), draw(tables), draw(tables), number, draw(parts)
        )
        index = index.with_plan(plan)
    return index


@given(indexes())
def test_an_index_is_read_as_it_was_written(index: UnitIndex) -> None:
    data = encode_unit_index(index)
    assert decode_unit_index(data) == index
    assert encode_unit_index(decode_unit_index(data)) == data


@given(indexes(), indexes(), indexes())
def test_merging_loses_nothing(one: UnitIndex, two: UnitIndex, three: UnitIndex) -> None:
    both = one.merged(two)
    assert both.entries.keys() == one.entries.keys() | two.entries.keys()
    assert both.packs.keys() == one.packs.keys() | two.packs.keys()
    assert both.plans.keys() == one.plans.keys() | two.plans.keys()
    assert one.merged(one) == one
    assert one.merged(two).merged(three).entries == one.merged(two.merged(three)).entries
    assert all(both.entries[key] == entry for key, entry in one.entries.items())
    assert list(both.plans.values()) == sorted(both.plans.values(), key=lambda plan: (plan.saved_at, plan.key))


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(ContentInvalid):
        decode_unit_index(data)
    packed = ZstdCompressor().compress(data, ZstdCompressor.FLUSH_FRAME)
    with pytest.raises(ContentInvalid):
        decode_unit_index(packed)


def test_plans_are_bounded() -> None:
    index = UnitIndex()
    for number in range(PLANS_MAX + 10):
        index = index.with_plan(BuildRecord(Digest.of(b"%d" % number), (), saved_at=number))
    assert len(index.plans) == PLANS_MAX
    assert min(plan.saved_at for plan in index.plans.values()) == 10


def test_one_build_does_not_push_out_the_others() -> None:
    """However many branches are built of one project."""
    other = BuildRecord(Digest.of(b"other"), (), parts={"options": "--release"})
    index = UnitIndex().with_plan(other)
    for number in range(1, PLANS_MAX + 10):
        index = index.with_plan(BuildRecord(Digest.of(b"%d" % number), (), saved_at=number, parts={"options": ""}))
    own = [plan.saved_at for plan in index.plans.values() if plan != other]
    assert other in index.plans.values()
    assert own == list(range(PLANS_MAX + 10 - PLANS_OF_A_BUILD_MAX, PLANS_MAX + 10))
    assert UnitIndex().with_plan(other).merged(index) == index


def test_entries_of_unknown_packs_are_not_written() -> None:
    entry = UnitEntry(Digest.of(b"k"), Digest.of(b"p"), 0, 1, Digest.of(b"f"), 1)
    assert decode_unit_index(encode_unit_index(UnitIndex().with_entries([entry]))) == UnitIndex()


def sample() -> dict[str, Any]:
    name = "0" * 64
    return {
        "format": 1,
        "packs": [["a" * 64, 100, 1]],
        "entries": [{"key": name, "pack": 0, "offset": 0, "length": 100, "frame": name, "unpacked": 5}],
        "plans": [{"key": name, "units": [name]}],
    }


def as_bytes(document: object) -> bytes:
    return ZstdCompressor().compress(json.dumps(document).encode(), ZstdCompressor.FLUSH_FRAME)


def test_the_sample_is_an_index() -> None:
    assert len(decode_unit_index(as_bytes(sample())).entries) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it.update(extra=1),
        lambda it: it.pop("packs"),
        lambda it: it.update(entries=None),
        lambda it: it["entries"][0].update(pack=1),
        lambda it: it["entries"][0].update(pack=-1),
        lambda it: it["entries"][0].update(offset=1),
        lambda it: it["entries"][0].update(offset=-1, length=1),
        lambda it: it["entries"][0].update(length=1 << 60),
        lambda it: it["entries"][0].update(key="../../etc/passwd"),
        lambda it: it["entries"][0].update(key="A" * 64),
        lambda it: it["entries"][0].update(key="a" * 63),
        lambda it: it["entries"][0].update(frame="A" * 64),
        lambda it: it["entries"][0].update(frame=("\u00e9" * 32)),
        lambda it: it["entries"][0].update(output="g" * 64),
        lambda it: it["plans"][0].update(units=["x" * 64]),
        lambda it: it["plans"][0].update(units=["a" * 65]),
        lambda it: it["entries"][0].update(name="x" * 5000),
        lambda it: it["entries"][0].update(inputs={"../x": "no digest"}),
        lambda it: it["entries"][0].update(unknown=1),
        lambda it: it["entries"].append(it["entries"][0]),
        lambda it: it["packs"].append(it["packs"][0]),
        lambda it: it["packs"][0].append(1),
        lambda it: (it["packs"][0].__setitem__(1, 1 << 40), it["entries"][0].update(length=1 << 40)),
        lambda it: it["plans"].append(it["plans"][0]),
        lambda it: it.update(plans=it["plans"] * (PLANS_MAX + 1)),
        lambda it: it.update(format="1"),
    ],
)
def test_a_hostile_index_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    document = sample()
    spoil(document)
    with pytest.raises(ContentInvalid):
        decode_unit_index(as_bytes(document))


@given(indexes())
def test_entries_that_were_read_are_those_that_were_written(index: UnitIndex) -> None:
    """As they are asked for, in groups, by names, and with more packs around them."""
    read = decode_unit_index(encode_unit_index(index))
    assert len(read.entries) == len(index.entries)
    assert set(read.entries) == set(index.entries)
    assert all(key in read.entries and read.entries[key] == entry for key, entry in index.entries.items())
    assert all(read.entries[key] is read.entries[key] for key in index.entries)
    assert dict(groups_of(read.entries)) == dict(groups_of(index.entries))
    assert sorted((each.name, each.seconds) for each in read.times) == sorted(
        (each.name, each.seconds) for each in index.entries.values()
    )
    assert {each.key for each in read.named("a")} == {each.key for each in index.named("a")}
    more = {Digest("0" * 64): PackInfo(SIZE, 1), Digest("f" * 64): PackInfo(SIZE, 1)}
    assert encode_unit_index(read.with_packs(more)) == encode_unit_index(index.with_packs(more))
    gone = list(index.packs)[:1]
    assert encode_unit_index(read.without_packs(gone)) == encode_unit_index(index.without_packs(gone))


def test_what_is_alone_is_merged_as_it_is() -> None:
    read = decode_unit_index(as_bytes(sample()))
    assert UnitIndex().merged(read).entries is read.entries
    assert read.merged(UnitIndex()).entries is read.entries
    assert UnitIndex().merged(replace(read, packs={})).entries == {}, "no entry stays whose pack nobody knows"


@pytest.mark.parametrize("parts", [[1], {"package": 1}, "text", None, {"package": {"a": "b"}}, {"a" * 5000: "b"}])
def test_parts_that_are_none_are_those_of_no_unit(parts: object) -> None:
    """They are read with their entry, and what is wrong with one entry concerns no other."""
    document = sample()
    good = {**document["entries"][0], "key": "1" * 64, "parts": {"package": "serde", "mode": "build"}}
    document["entries"] = [{**document["entries"][0], "parts": parts}, good]
    index = decode_unit_index(as_bytes(document))
    spoilt, right = Digest("0" * 64), Digest("1" * 64)
    assert index.entries[spoilt].parts == {}
    assert index.entries[right].parts == good["parts"]
    assert dict(groups_of(index.entries))[right] == UnitGroup("serde", mode="build")
    assert Entries(index.entries).alike({"package": "serde", "mode": "build"}) == [index.entries[right]]
    assert list(decode_unit_index(encode_unit_index(index)).entries) == [right], "it is not handed on"


def test_parts_in_no_encoding_are_those_of_no_unit() -> None:
    text = json.dumps(sample()).replace('"unpacked": 5', '"unpacked": 5, "parts": {"package": "?"}')
    packed = ZstdCompressor().compress(text.encode().replace(b"?", b"\xff"), ZstdCompressor.FLUSH_FRAME)
    index = decode_unit_index(packed)
    assert [entry.parts for entry in index.entries.values()] == [{}]
    assert decode_unit_index(encode_unit_index(index)).entries == {}


def test_another_format_is_an_empty_cache() -> None:
    assert decode_unit_index(as_bytes({"format": 2, "whatever": [{}]})) == UnitIndex()


@pytest.mark.thorough
def test_bombs_are_refused() -> None:
    with pytest.raises(ContentInvalid, match="the limit is"):
        decode_unit_index(bytes((64 << 20) + 1))
    bomb = ZstdCompressor().compress(bytes((512 << 20) + 1), ZstdCompressor.FLUSH_FRAME)
    with pytest.raises(ContentInvalid, match="too large"):
        decode_unit_index(bomb)
    with pytest.raises(ContentInvalid, match="cut off"):
        decode_unit_index(encode_unit_index(UnitIndex())[:-3])
    deep = ZstdCompressor().compress(b'{"format":1,"packs":' + b"[" * 100_000, ZstdCompressor.FLUSH_FRAME)
    with pytest.raises(ContentInvalid):
        decode_unit_index(deep)


@pytest.mark.parametrize("limit", ["_ENTRIES_MAX", "_JSON_BYTES_MAX", "INDEX_BYTES_MAX"])
def test_an_index_that_would_be_too_large_to_be_read_keeps_the_latest_builds(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = Digest.of(b"pack")
    units = [
        UnitEntry(Digest.of(b"%d" % n), pack, 100 * n, 100, Digest.of(b"f%d" % n), 1, f"unit {n}", {"part": "x" * 50})
        for n in range(90)
    ]
    index = UnitIndex().with_packs({pack: PackInfo(10_000, 90)}).with_entries(units)
    for age, start in enumerate((60, 0, 30)):
        keys = tuple(unit.key for unit in units[start : start + 30])
        index = index.with_plan(BuildRecord(Digest.of(b"p%d" % age), keys, {}, {}, age, {}))
    whole = decode_unit_index(encode_unit_index(index))
    assert len(whole.entries) == 90
    size = {"_ENTRIES_MAX": 50, "_JSON_BYTES_MAX": 24_000, "INDEX_BYTES_MAX": 7_000}[limit]
    monkeypatch.setattr(index_format, limit, size)

    written = decode_unit_index(encode_unit_index(whole))

    assert 30 <= len(written.entries) <= 80
    latest, before, oldest = ({unit.key for unit in units[at : at + 30]} for at in (30, 0, 60))
    assert latest <= set(written.entries)
    assert before <= set(written.entries) or oldest.isdisjoint(written.entries)
    assert written.plans == whole.plans
