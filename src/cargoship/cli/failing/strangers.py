"""What other tools call things, for hints: words of cargo, ko, jib, Buildx and kaniko that are none here."""

from __future__ import annotations

import re
import shlex

from cargoship.printable import without_passwords
from cargoship.version import PAGES

_MARKED = re.compile(r"<([^<>]+)>")
_GNU = re.compile(r"(.*-gnu\w*)(?:\.(\d+\.\d+))?")

_COMPLETES = (
    'a shell completes words after eval "$(_CARGOSHIP_COMPLETE=bash_source cargoship)"; zsh_source, fish_source'
)

STRANGE_COMMANDS = {
    "publish": "cargoship build --push pushes to registries",
    "push": "cargoship build --push pushes what it builds, cargoship copy what is built",
    "load": "cargoship build --load loads what it builds",
    "buildx": "cargoship build builds for several platforms by itself",
    "bake": "cargoship build --workspace builds many images",
    "imagetools": "cargoship inspect, copy and merge work on images in registries",
    "crane": "cargoship inspect, copy and merge work on images in registries",
    "tag": "cargoship copy REPOSITORY:OLD REPOSITORY:NEW gives an image another tag",
    "dockerBuild": "cargoship build --load is the way into a local engine",
    "cook": "cargoship recipe cook",
    "prepare": "cargoship recipe prepare",
    "chef": "cargoship recipe prepare and cargoship recipe cook take its place",
    "zigbuild": "cargoship cargo build is cargo with cargoship's compilers",
    "test": "cargoship cargo test is cargo with cargoship's compilers",
    "check": "cargoship cargo check is cargo with cargoship's compilers",
    "clippy": "cargoship cargo clippy is cargo with cargoship's compilers",
    "new": "cargo new makes a project, cargoship init its settings",
    "dev": "cargoship watch builds and runs again whenever the code changes",
    "images": "cargoship history shows earlier builds, cargoship inspect an image",
    "manifest": "cargoship inspect and merge work on images for several platforms",
    "pull": "cargoship copy IMAGE oci:FOLDER brings an image here",
    "save": "cargoship copy IMAGE docker-archive:FILE writes an image to a file",
    "scan": "cargoship sbom prints what scanners read, and scanners read the programs of images too",
    "sign": "cargoship build --push --set sign=KEY signs what it pushes",
    "auth": "cargoship login keeps the login to a registry",
    "completion": _COMPLETES,
    "completions": _COMPLETES,
    "explain": "cargoship cache explain says why units were compiled, cargoship plan where settings come from",
    "compose": "cargoship up resolves Compose files and starts their services",
    "down": "docker compose down works in the project's folder as always",
    "config": "cargoship plan says where each setting comes from",
    "clean": "cargo clean empties the target directory; cargoship prune and cargoship cache gc remove what is not used",
}
"""Commands of other tools, and what does their work here."""

STRANGE_OPTIONS = {
    "--target": "write --platform linux/arm64 in place of a target triple, and --libc gnu where it ends in -gnu",
    "--tarball": "write -o docker-archive:<FILE>, or -o oci-archive:<FILE>",
    "--tar-path": "write -o docker-archive:<FILE>",
    "--oci-layout-path": "write -o oci:<FOLDER>",
    "--local": "write --load",
    "--no-push": "leave out --push: nothing is pushed without it",
    "--image-label": "write --label <KEY=VALUE>",
    "--image-annotation": "write --annotation <KEY=VALUE>",
    "--image-user": "write --user <USER>",
    "--bare": 'write repository = "ghcr.io/me/app" with {name} left out of it, or -t with the whole name',
    "--base-import-paths": "{name} in a tag is the name of the image",
    "--preserve-import-paths": "{name} and {package} in a tag are names of the image and its package",
    "--disable-optimizations": "write --profile dev",
    "--debug": "write --profile dev",
    "--dev": "write --profile dev",
    "--all": "write --workspace",
    "--bins": "every binary is built unless --bin chooses",
    "--example": "an image is made of binaries: a [[bin]] section in Cargo.toml makes one",
    "--lib": "an image is made of binaries",
    "--target-dir": "set CARGO_TARGET_DIR, or build.target-dir in .cargo/config.toml",
    "--config": "set it in .cargo/config.toml, or as a CARGO_* variable",
    "--message-format": "write --progress json",
    "--file": "there is no Dockerfile; cargoship dockerfile writes one for docker build",
    "-f": "there is no Dockerfile; cargoship dockerfile writes one for docker build",
    "--build-arg": "set the variable for the build: NAME=VALUE cargoship build",
    "--build-context": "files that an image has beside its programs are named by include in the settings",
    "--secret": "credentials for registries and cargo are those of the user; nothing of them gets into an image",
    "--ssh": "cargo fetches with the user's own ssh",
    "--builder": "there is no builder: everything is compiled here",
    "--no-cache-filter": "write --no-cache",
    "--iidfile": "write --image-refs <FILE>, or --metadata-file <FILE>",
    "--digest-file": "write --image-refs <FILE>, or --metadata-file <FILE>",
    "--image": "write -t <REFERENCE>",
    "--destination": "write -t <REFERENCE>",
    "--context": "name the project's folder as an argument",
    "--dockerfile": "there is no Dockerfile; cargoship dockerfile writes one for docker build",
    "--registry": "set CARGOSHIP_REPO=<REGISTRY/PREFIX>, or write -t REFERENCE",
    "--repo": "set CARGOSHIP_REPO=<REGISTRY/PREFIX>, or write -t REFERENCE",
    "--repository": "set CARGOSHIP_REPO=<REGISTRY/PREFIX>, or write --set repository=<REGISTRY/PREFIX>",
    "--arch": "write --platform <linux/amd64,linux/arm64>",
    "--platforms": "write --platform <linux/amd64,linux/arm64>",
    "--insecure": "name the registry in CARGOSHIP_INSECURE_REGISTRIES",
    "--insecure-registry": "name the registry in CARGOSHIP_INSECURE_REGISTRIES",
    "--entrypoint": "write --set entrypoint=/app/NAME,--option",
    "--workdir": "write --set workdir=</data>",
    "--port": "write --set expose=<8080>",
    "--expose": "write --set expose=<8080>",
    "--publish": "write --set expose=8080: run publishes the image's ports on the loopback",
    "--volume": "write --set volumes=</data>",
    "--name": "write --set name=<NAME>",
    "--output-dir": "write -o oci:<FOLDER>",
    "--provenance": f"write --set provenance=false, or --set attest=NAME for where it goes: {PAGES}/provenance/",
    "--sbom": "write --set sbom=cyclonedx or --set sbom=spdx, and --set sbom= for none",
    "--attest": "write --set attest=NAME, and --set sbom=NAME, --set provenance=false",
    "--pull": "a base is asked for at each build; cargoship base pin keeps it as it is",
    "--squash": "a program is one layer by itself",
    "--network": "cargo has the network of this machine; --offline takes it away",
    "--out-dir": "write -o rootfs:<FOLDER> for the files of the image",
    "--artifact-dir": "write -o rootfs:<FOLDER> for the files of the image",
    "--keep-going": "cargoship cargo -- build --keep-going shows all errors",
    "--ignore-rust-version": "cargoship cargo -- build --ignore-rust-version, or take rust-version out of Cargo.toml",
    "--lockfile-path": "Cargo.lock stands beside the workspace's Cargo.toml",
    "--env-file": "write -e KEY=VALUE for each, or env in the settings",
    "--from-image": "write --base <IMAGE>",
    "--from": "write --base <IMAGE>",
    "--base-image": "write --base <IMAGE>",
    "--json": "write --metadata-file FILE for the results, or --progress json for events",
    "--to": "write -t <REFERENCE>",
    "--allow-insecure-registries": "name the registry in CARGOSHIP_INSECURE_REGISTRIES",
    "--rm": "a container that run has started is removed by itself",
    "--test": "an image is made of binaries; cargoship cargo test runs tests",
}
"""Options of other tools, and what does their work here. What is in angles gives way to the value that was given."""


def in_place_of(name: str, value: str | None) -> str:
    """What to write in place of another tool's option, with the value that it was given, if it was."""
    if name == "--target" and value is not None:
        return in_place_of_target(value)
    shown = None if value is None else shlex.quote(without_passwords(value))
    return _MARKED.sub(lambda mark: mark[1] if shown is None else shown, STRANGE_OPTIONS[name])


def in_place_of_target(triple: str) -> str:
    """The options for a triple of Rust's, which may end in a version of glibc, as cargo-zigbuild has it."""
    from cargoship.platforms import TABLE, WASI

    gnu = _GNU.fullmatch(triple)
    for each in (*TABLE, WASI):
        if triple == each.musl:
            return f"write --platform {each.platform} in place of {triple}"
        if gnu is not None and gnu[1] == each.gnu:
            libc = "gnu" if gnu[2] is None else f"gnu:{gnu[2]}"
            return f"write --platform {each.platform} --libc {libc} in place of {triple}"
    known = ", ".join(str(each.platform) for each in TABLE)
    return f"no image is made for {triple}: --platform takes {known}"
