"""Two tiny services of one workspace, which depend on nothing: for what happens after an image is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.shipped import target_folder

_MAIN = """\
use std::io::{Read, Write};

fn main() {
    if std::env::args().any(|word| word == "--once") {
        println!("NAME {} {}", std::env::consts::ARCH, std::env::args().skip(1).collect::<Vec<_>>().join(" "));
        return;
    }
    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    for stream in std::net::TcpListener::bind(address).unwrap().incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let text = format!("NAME {}", std::env::consts::ARCH);
        let head = format!("HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: {}", text.len());
        let _ = write!(stream, "{head}\\r\\n\\r\\n{text}");
    }
}
"""
NAMES = ("tiny-front", "tiny-back")


@dataclass(frozen=True)
class Pair:
    """The workspace, and where its images go."""

    root: Path
    repository: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of builds: one target folder for all tests, and tags."""
        return {**target_folder("musl"), "CARGOSHIP_TAGS": self.repository + "/{name}:1"}


def write_pair(root: Path, repository: str) -> Pair:
    """Write the workspace into a folder."""
    members = ", ".join(f'"{name}"' for name in NAMES)
    (root / "Cargo.toml").write_text(f'[workspace]\nmembers = [{members}]\nresolver = "2"\n')
    for name in NAMES:
        (root / name / "src").mkdir(parents=True)
        (root / name / "Cargo.toml").write_text(
            f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n'
            "[package.metadata.cargoship]\nexpose = [8080]\n"
        )
        (root / name / "src" / "main.rs").write_text(_MAIN.replace("NAME", name))
    return Pair(root, repository)
