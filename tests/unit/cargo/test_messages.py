from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.cargo.messages import (
    Artifact,
    BuildFinished,
    BuildScriptRun,
    Message,
    MessageReader,
    Profile,
    package_name,
    read_message,
)
from cargoship.events import ToolOutput

SERDE = "registry+https://github.com/rust-lang/crates.io-index#serde@1.0.229"
LIBRARY = (
    b'{"reason":"compiler-artifact","package_id":"registry+https://github.com/rust-lang/crates.io-index#serde@1.0.229",'
    b'"manifest_path":"/r/serde-1.0.229/Cargo.toml","target":{"kind":["lib"],"crate_types":["lib"],"name":"serde",'
    b'"src_path":"/r/serde-1.0.229/src/lib.rs","edition":"2021","doc":true,"doctest":true,"test":true},'
    b'"profile":{"opt_level":"3","debuginfo":0,"debug_assertions":false,"overflow_checks":false,"test":false},'
    b'"features":["default"],"filenames":["/t/release/deps/libserde-c8.rlib"],"executable":null,"fresh":true}'
)
PROGRAM = (
    b'{"reason":"compiler-artifact","package_id":"path+file:///home/me/proj#0.1.0","target":{"kind":["bin"],'
    b'"name":"proj"},"filenames":["/t/x86_64-unknown-linux-musl/release/proj"],'
    b'"executable":"/t/x86_64-unknown-linux-musl/release/proj","fresh":false}'
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            LIBRARY,
            Artifact(
                SERDE,
                "serde",
                ("lib",),
                fresh=True,
                executable=None,
                filenames=(Path("/t/release/deps/libserde-c8.rlib"),),
                features=("default",),
                profile=Profile("3", "0", debug_assertions=False, overflow_checks=False, test=False),
                manifest=Path("/r/serde-1.0.229/Cargo.toml"),
            ),
        ),
        (b'{"reason":"build-script-executed","package_id":"' + SERDE.encode() + b'","env":[]}', BuildScriptRun(SERDE)),
        (b'{"reason":"build-finished","success":false}', BuildFinished(success=False)),
        (b'{"reason":"something-new","of":{"a":1}}', None),
        (b"  \n", None),
        (b"a macro says hello\r\n", ToolOutput("a macro says hello")),
        (b'{"no":"reason"}', ToolOutput('{"no":"reason"}')),
        (b'{"reason":7}', ToolOutput('{"reason":7}')),
        (b"[1]", ToolOutput("[1]")),
        (b"\xff", ToolOutput("\ufffd")),
    ],
)
def test_line(line: bytes, expected: Message | None) -> None:
    assert read_message(line) == expected


def test_program() -> None:
    found = read_message(PROGRAM)
    assert isinstance(found, Artifact)
    assert found.is_binary
    assert found.package == "proj"
    assert found.executable == Path("/t/x86_64-unknown-linux-musl/release/proj")


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_pieces_may_end_anywhere(cuts: list[int]) -> None:
    data = b"\n".join((LIBRARY, PROGRAM, b"hello", b'{"reason":"build-finished","success":true}'))
    at = [0, *sorted(cuts), len(data)]
    reader = MessageReader()
    found = [each for start, end in pairwise(at) for each in reader.feed(data[start:end])]
    found += reader.finish()
    assert found[2:] == [ToolOutput("hello"), BuildFinished(success=True)]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("package_id", "name"),
    [
        (SERDE, "serde"),
        ("path+file:///home/me/proj#0.1.0", "proj"),
        ("path+file:///home/me/folder#named@0.1.0", "named"),
        ("git+https://github.com/me/thing?rev=abc#0.1.0", "thing"),
        ("git+https://github.com/me/repo?branch=main#thing@0.1.0", "thing"),
        ("serde 1.0.1 (registry+https://github.com/rust-lang/crates.io-index)", "serde"),
    ],
)
def test_package_name(package_id: str, name: str) -> None:
    assert package_name(package_id) == name
