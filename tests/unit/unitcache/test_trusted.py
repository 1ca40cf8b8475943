"""Caches that strangers share: only what somebody trusted has signed is taken, and everybody's signatures stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cargoship.context import Context
from cargoship.errors import ContentInvalid, SigningFailed, UsageError
from cargoship.events import Event, Note
from cargoship.oci.digest import Digest
from cargoship.process import SystemRunner
from cargoship.settings.cache import CacheOptions
from cargoship.signing.bundle import key_bundle
from cargoship.signing.keys import PrivateKey
from cargoship.signing.signer import KeySigner
from cargoship.unitcache.care.archive import export, import_file
from cargoship.unitcache.care.collection import Rules, collect
from cargoship.unitcache.packs import index_format
from cargoship.unitcache.packs.index import BuildRecord, SaveSignature, UnitIndex
from cargoship.unitcache.packs.index_format import decode_unit_index, encode_unit_index
from cargoship.unitcache.packs.signatures import entry_digest, statement_of
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.opening import open_stores
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.stores.tiered import Tiered
from cargoship.unitcache.stores.trust import TrustedSigners, machine_signer
from cargoship.unitcache.stores.trusted import TrustedFolder, TrustedStore
from support.public_keys import pem_of
from support.units import adding, key_of, packed, unit_files

KEYS = {
    name: PrivateKey(ec.derive_private_key(number, ec.SECP256R1())) for number, name in enumerate(("ann", "bob"), 7)
}


def trusting(*names: str) -> TrustedSigners:
    return TrustedSigners(tuple((name, KEYS[name].public) for name in names))


def signed_by(store: Store, name: str, said: list[str] | None = None) -> TrustedStore:
    return TrustedStore(store, trusting(name), KeySigner(KEYS[name]), (said if said is not None else []).append)


def save(store: Store, scratch: Path, names: str, plan: str = "", content: str = "") -> UnitIndex:
    packs = packed(scratch, {name: unit_files(name + content) for name in names})
    add = adding(packs, names)

    def change(index: UnitIndex) -> UnitIndex:
        index = add(index)
        units = tuple(key_of(name) for name in plan)
        return index.with_plan(BuildRecord(key_of(plan), units, saved_at=1)) if plan else index

    return store.save(packs, change).index


def seen(store: Store, *names: str) -> str:
    found = TrustedStore(store, trusting(*names), None, lambda _: None).load()
    return "".join(sorted(entry.name for entry in found.entries.values()))


@pytest.fixture
def folder(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def test_only_what_somebody_trusted_has_signed_is_there(folder: DirectoryStore, tmp_path: Path) -> None:
    said: list[str] = []
    save(folder, tmp_path / "1", "x", plan="x")
    save(signed_by(folder, "ann"), tmp_path / "2", "ab", plan="ab")
    save(signed_by(folder, "bob"), tmp_path / "3", "c")
    found = signed_by(folder, "ann", said)
    index = found.load()
    found.load()
    assert {entry.name: entry.signer for entry in index.entries.values()} == {"a": "ann", "b": "ann"}
    assert set(index.plans) == {key_of("ab")}
    assert set(index.refused) == {key_of("x"), key_of("c")}
    assert len(said) == 1, said
    assert said[0].startswith(f"2 of 4 units in {folder.name} are not taken: ")
    assert seen(folder, "ann", "bob") == "abc"
    assert len(folder.load().entries) == 4


def test_a_key_that_is_revoked_takes_its_units_along(folder: DirectoryStore, tmp_path: Path) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "a")
    assert (seen(folder, "ann"), seen(folder, "bob"), seen(folder)) == ("a", "", "")


def test_a_key_has_one_signature_over_all_of_its_saves(folder: DirectoryStore, tmp_path: Path) -> None:
    for number, names in enumerate(("ab", "c", "d")):
        save(signed_by(folder, "ann"), tmp_path / str(number), names)
    before = folder.load()
    assert len(before.signatures) == 1
    save(signed_by(folder, "ann"), tmp_path / "again", "d")
    assert folder.load().signatures == before.signatures
    assert seen(folder, "ann") == "abcd"


def test_what_two_have_made_alike_both_vouch_for(folder: DirectoryStore, tmp_path: Path) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "a")
    save(signed_by(folder, "bob"), tmp_path / "2", "a")
    assert (seen(folder, "ann"), seen(folder, "bob")) == ("a", "a")
    save(signed_by(folder, "bob"), tmp_path / "3", "a", content="other")
    assert (seen(folder, "ann"), seen(folder, "bob")) == ("", "a")
    assert len(folder.load().signatures) == 1, "a signature over nothing stays nowhere"


@pytest.mark.parametrize(
    "change",
    [
        {"frame": Digest.of(b"swapped")},
        {"unpacked": 1},
        {"parts": {"name": "a", "platform": "other"}},
        {"output": Digest.of(b"other")},
        {"place": "release/.fingerprint/other"},
        {"inputs": {"src/lib.rs": Digest.of(b"")}},
        {"name": "b"},
    ],
    ids=str,
)
def test_a_signature_counts_for_exactly_what_was_signed(
    folder: DirectoryStore, tmp_path: Path, change: dict[str, object]
) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "a")
    folder.save((), lambda index: index.with_entries(replace(each, **change) for each in index.entries.values()))  # type: ignore[arg-type]
    assert seen(folder, "ann") == ""


def test_a_unit_under_another_key_is_not_the_one_that_was_signed(folder: DirectoryStore, tmp_path: Path) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "a")

    def moved(index: UnitIndex) -> UnitIndex:
        entries = {key_of("z"): replace(each, key=key_of("z")) for each in index.entries.values()}
        return replace(index, entries=entries)

    folder.save((), moved)
    assert seen(folder, "ann") == ""


def test_signatures_over_something_else_are_refused_with_the_reason(folder: DirectoryStore, tmp_path: Path) -> None:
    save(folder, tmp_path / "1", "a")
    entry = folder.load().entries[key_of("a")]
    listed = (entry_digest(entry),)
    ann = KEYS["ann"]
    image = statement_of(listed).replace(b"https://cargoship.dev/unit-cache/v1", b"https://sigstore.dev/cosign/sign/v1")
    for bundle, why in (
        (key_bundle(statement_of(()), ann), "another list"),
        (key_bundle(image, ann), "something else than units"),
        (key_bundle(statement_of(listed), KEYS["bob"]), "nobody who is trusted"),
        (b"{}", "no bundle"),
    ):
        with pytest.raises(ContentInvalid, match=why):
            trusting("ann").signer_of(SaveSignature(listed, bundle))
    assert trusting("ann").signer_of(SaveSignature(listed, key_bundle(statement_of(listed), ann))) == "ann"


def test_stripped_signatures_are_misses(folder: DirectoryStore, tmp_path: Path) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "ab")
    folder.save((), lambda index: replace(index, signatures={}))
    assert seen(folder, "ann") == ""


def test_hosts_of_signatures_are_bounded(
    folder: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "abc")
    index = folder.load()
    digest = entry_digest(index.entries[key_of("a")])
    junk = {Digest.of(b"%d" % n): SaveSignature((digest,), b"%d" % n) for n in range(index_format.SIGNATURES_MAX + 5)}
    crowded = index.with_signatures(junk)
    again = decode_unit_index(encode_unit_index(crowded))
    assert len(again.signatures) == index_format.SIGNATURES_MAX
    assert index.signatures.items() <= again.signatures.items(), "what covers most stays"
    data = encode_unit_index(index.with_signatures({Digest.of(b""): SaveSignature((digest,) * 500, b"x")}))
    monkeypatch.setattr(index_format, "_LISTED_MAX", 400)
    with pytest.raises(ContentInvalid, match="more units than a cache has"):
        decode_unit_index(data)


def test_an_index_without_signatures_has_no_word_of_them(folder: DirectoryStore, tmp_path: Path) -> None:
    save(folder, tmp_path / "1", "a")
    index = folder.load()
    assert b"signatures" not in index_format._unpacked(encode_unit_index(index))
    assert decode_unit_index(encode_unit_index(index)) == index


def test_care_and_archives_keep_signatures(folder: DirectoryStore, tmp_path: Path) -> None:
    save(signed_by(folder, "ann"), tmp_path / "1", "abcd", plan="ab")
    collect(folder, Rules(1 << 30, plans_kept=1), scratch=tmp_path / "gc")
    assert seen(folder, "ann") == "ab"
    export(folder, tmp_path / "units.tar")
    other = DirectoryStore(tmp_path / "other")
    import_file(other, tmp_path / "units.tar", scratch=tmp_path / "import")
    assert seen(other, "ann") == "ab"


def test_what_came_from_afar_keeps_its_signature_here_and_on_its_way_on(tmp_path: Path) -> None:
    near, far, third = (DirectoryStore(tmp_path / name) for name in ("near", "far", "third"))
    save(signed_by(far, "ann"), tmp_path / "1", "ab", plan="ab")
    own = machine_signer(tmp_path / "cache", make=True)
    assert own is not None
    trust = trusting("ann").with_key("this machine", own.key.public)
    local = TrustedFolder(near, trust, own, lambda _: None)

    def tiered(*remotes: DirectoryStore) -> Tiered:
        return Tiered(
            local, tuple(TrustedStore(each, trusting("ann"), None, lambda _: None) for each in remotes), lambda *_: None
        )

    store = tiered(far)
    index = store.load()
    wanted = list(index.entries.values())
    with store.open_pack(wanted[0].pack, index.packs[wanted[0].pack].size, wanted) as source:
        source.frame(wanted[0])
    store.close()
    assert seen(near, "ann") == "ab"
    store = tiered(third)
    store.load()
    save(store, tmp_path / "2", "c", plan="abc")
    store.close()
    assert seen(third, "ann") == "ab", "and c, which only this machine vouches for, is there and not taken"
    assert {entry.name: entry.signer for entry in local.load().entries.values()} == {
        "a": "ann",
        "b": "ann",
        "c": "this machine",
    }


def context(tmp_path: Path, notes: list[str], **env: str) -> Context:
    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    return Context({"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache"), **env}, tmp_path, SystemRunner(), emit)


def test_a_machine_takes_what_it_has_compiled_itself_and_nothing_that_somebody_put_there(tmp_path: Path) -> None:
    notes: list[str] = []
    (tmp_path / "ann.pub").write_text(pem_of(KEYS["ann"].public))
    options = CacheOptions().with_trust(["ann.pub"], None)
    save(DirectoryStore(tmp_path / "cache/units"), tmp_path / "1", "x")
    with open_stores(options, context(tmp_path, notes)) as store:
        assert not store.load().entries
        save(store, tmp_path / "2", "a")
    with open_stores(options, context(tmp_path, notes)) as store:
        assert {entry.name: entry.signer for entry in store.load().entries.values()} == {"a": "this machine"}
    key = tmp_path / "cache/machine.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in "".join(notes)


def test_forks_read_and_need_no_key(tmp_path: Path) -> None:
    notes: list[str] = []
    (tmp_path / "ann.pub").write_text(pem_of(KEYS["ann"].public))
    far = DirectoryStore(tmp_path / "far")
    save(signed_by(far, "ann"), tmp_path / "1", "a")
    options = CacheOptions.parse([], [f"dir:{tmp_path / 'near'}", f"dir:{far.root}"], "1GB", enabled=True)
    options = options.with_trust(["ann.pub"], "env://SECRET")
    fork = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}
    with open_stores(options, context(tmp_path, notes, **fork)) as store:
        assert [entry.signer for entry in store.load().entries.values()] == ["ann.pub"]
    assert not (tmp_path / "cache/machine.key").exists()
    with pytest.raises(SigningFailed, match="SECRET"), open_stores(options, context(tmp_path, notes)):
        pass


def test_who_signs_says_whose_units_it_builds_on() -> None:
    with pytest.raises(UsageError, match="cache-trust"):
        CacheOptions().with_trust([], "cosign.key")
