"""Which registry is crates.io, and what names of registries stand for."""

from __future__ import annotations

import pytest

from cargoship.cargo.registries import is_crates_io, may_be_crates_io, names_other_registries, registry_indexes


@pytest.mark.parametrize(
    ("source", "so"),
    [
        ("registry+https://github.com/rust-lang/crates.io-index", True),
        ("sparse+registry+https://github.com/rust-lang/crates.io-index", True),
        ("sparse+https://index.crates.io/", True),
        ("registry+https://github.com/rust-lang/crates.io-index-of-mine", False),
        ("sparse+https://mirror.example/index.crates.io/", False),
        ("git+https://github.com/rust-lang/crates.io-index", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_mirror_that_is_called_like_crates_io_is_another_registry(source: str, *, so: bool) -> None:
    assert is_crates_io(source) is so


def test_a_lock_file_names_other_registries() -> None:
    crates_io = 'name = "a"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\n'
    assert not names_other_registries(crates_io + 'source = "git+https://example.com/a#0"\n')
    assert names_other_registries(crates_io + 'source = "sparse+https://example.com/"\n')


def test_crates_io_has_several_spellings() -> None:
    assert may_be_crates_io("https://GitHub.com/rust-lang/Crates.io-index.git/")
    assert not may_be_crates_io("sparse+https://crates.example/")


def test_what_names_of_registries_stand_for() -> None:
    near = {"registries": {"mine": {"index": "sparse+https://near/"}, "no": {"token": "t"}, "odd": 1}}
    far = {"registries": {"mine": {"index": "sparse+https://far/"}}}
    env = {"CARGO_REGISTRIES_MINE_INDEX": "sparse+https://set/", "CARGO_REGISTRIES_MINE_TOKEN": "t"}
    assert registry_indexes([near, {"registries": []}, far], env) == {
        "CARGO_REGISTRIES_MINE_INDEX": ("sparse+https://set/",),
        "mine": ("sparse+https://near/", "sparse+https://far/"),
    }
