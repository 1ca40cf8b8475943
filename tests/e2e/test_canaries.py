"""A word of its own in every place that may hold a secret, everything turned on, and all that came of it searched."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import stat
import tarfile
import time
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from cargoship.oci.zstd import ZstdDecompressor
from cargoship.testing import BasicAuth, InMemoryRegistry
from support.kept import cache_folder
from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP = b"\x1f\x8b"
_TAR_AT = 257
_BUILD_RS = """\
fn main() {
    println!("cargo::rerun-if-env-changed=SERVICE_TOKEN");
    println!("connected with {}", std::env::var("SERVICE_TOKEN").unwrap_or_default());
    eprintln!("connected with {}", std::env::var("SERVICE_TOKEN").unwrap_or_default());
}
"""
_VARIABLES = (
    *("SERVICE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    *("ACTIONS_CACHE_URL", "CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CARGO_REGISTRY_TOKEN", "NPM_TOKEN", "DATABASE_URL"),
    *("CARGO_REGISTRIES_PRIVATE_TOKEN", "AWS_SESSION_TOKEN", "SSH_PRIVATE_KEY", "SSH_AUTH_SOCK", "SSH_ASKPASS"),
    *("KUBE_TOKEN", "VAULT_TOKEN", "GIT_ASKPASS", "GIT_PASSWORD", "SOME_API_KEY", "SOME_CREDENTIALS"),
)


@dataclass
class Canaries:
    """Words that stand for secrets, by the place that each of them was put in."""

    words: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, place: str) -> str:
        return self.words.setdefault(place, f"cnry{len(self.words):03}Xq7Lw9Rt2Zp")

    def found_in(self, data: bytes) -> list[str]:
        """The places whose words are there, plain or in base64."""
        if b"cnry" not in data and not _BASE64.search(data):
            return []
        return [place for place, word in self.words.items() if any(form in data for form in _forms(word))]


_BASE64 = re.compile(rb"Y25ye|NucnkwM|jbnJ5|Y25yeT|NucnkD|Nucnk")


def _forms(word: str) -> Iterator[bytes]:
    yield word.encode()
    for shift in range(3):
        # as base64 has it, whatever stands before it
        text = base64.b64encode(b"x" * shift + word.encode())
        yield text[shift + 1 : -4]


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What is in a file: itself, and what compression and archives hide."""
    yield data
    if data.startswith(_GZIP):
        yield from _unpacked(zlib.decompressobj(wbits=31).decompress(data))
    if data.startswith(_ZSTD):
        rest = data
        while rest.startswith(_ZSTD):
            frame = ZstdDecompressor()
            yield from _unpacked(frame.decompress(rest))
            rest = frame.unused_data
    if data[_TAR_AT : _TAR_AT + 5] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                yield from _unpacked(content.read()) if content is not None else ()


def _files(folder: Path, since_s: float = 0.0) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since_s:
            yield path


def _is_cargos(path: Path) -> bool:
    """What a build script has said, and the variables that it has named, are cargo's own notes in a build directory."""
    return (path.name in {"output", "stderr"} and "build" in path.parts) or ".fingerprint" in path.parts


def _home(folder: Path, canaries: Canaries, registry: str, cache: str) -> Mapping[str, str]:
    """A home full of secrets, and the environment of somebody who lives there."""
    helper = folder / "bin" / "docker-credential-canary"
    files = {
        ".docker/config.json": json.dumps(
            {
                "auths": {registry: {"auth": base64.b64encode(f"me:{canaries['config.json']}".encode()).decode()}},
                "credHelpers": {cache: "canary"},
                "HttpHeaders": {"X-Meta": canaries["HttpHeaders"]},
                "proxies": {"default": {"httpProxy": f"http://u:{canaries['docker proxies']}@127.0.0.1:1"}},
            }
        ),
        ".config/containers/auth.json": json.dumps(
            {"auths": {"quay.io": {"auth": base64.b64encode(f"me:{canaries['auth.json']}".encode()).decode()}}}
        ),
        ".netrc": f"machine github.com login me password {canaries['netrc']}\n",
        ".aws/credentials": f"[default]\naws_access_key_id = a\naws_secret_access_key = {canaries['aws file']}\n",
        ".kube/config": f"users:\n- name: me\n  user: {{token: {canaries['kube config']}}}\n",
        ".ssh/id_ed25519": canaries["ssh key"],
        ".git-credentials": f"https://me:{canaries['git-credentials']}@github.com\n",
        ".gitconfig": f"[http]\nextraHeader = Authorization: {canaries['extraHeader']}\n[safe]\ndirectory = *\n",
        ".cargo/credentials.toml": f'[registries.private]\ntoken = "{canaries["credentials.toml"]}"\n',
        ".cargo/config.toml": "[registries.private]\n"
        f'index = "sparse+https://me:{canaries["index address"]}@crates.example/"\n'
        f'[http]\nproxy = "http://u:{canaries["cargo proxy"]}@127.0.0.1:1"\n'
        f'[source.mirror]\nregistry = "sparse+https://u:{canaries["source address"]}@mirror.example/"\n',
        "bin/docker-credential-canary": "#!/bin/sh\ncat > /dev/null\n"
        f'echo \'{{"ServerURL": "x", "Username": "me", "Secret": "{canaries["helper"]}"}}\'\n',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    return {
        **{name: canaries[name] for name in _VARIABLES},
        **{
            name: f"http://u:{canaries[name]}@127.0.0.1:1"
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CARGO_HTTP_PROXY")
        },
        "NO_PROXY": "127.0.0.1,localhost",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": canaries["object store"],
        "AWS_REGION": "eu-central-1",
        "HOME": str(folder),
        "DOCKER_CONFIG": str(folder / ".docker"),
        "REGISTRY_AUTH_FILE": "",
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "XDG_RUNTIME_DIR": "",
        "CARGO_HOME": str(folder / ".cargo"),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def _checkout(folder: Path, canaries: Canaries) -> Path:
    place = project(
        folder,
        manifest='build = "build.rs"\n\n[package.metadata.cargoship]\ninclude = ["README.md -> /README.md"]\n'
        'provenance-labels = "image"\n',
        files={
            "build.rs": _BUILD_RS,
            "README.md": "nothing secret\n",
            ".env": f"PASSWORD={canaries['.env']}\n",
            ".gitignore": "target\n.env\n",
        },
    )
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@example.com")
    run("git", "init", "-q", "-b", "main", cwd=place)
    run("git", "add", ".", cwd=place)
    run(*git, "commit", "-q", "-m", "first", cwd=place)
    run("git", "tag", "v1.2.3", cwd=place)
    run("git", "remote", "add", "origin", f"https://me:{canaries['git remote']}@github.com/me/app.git", cwd=place)
    run("git", "config", "http.https://github.com/.extraheader", f"AUTHORIZATION: {canaries['checkout']}", cwd=place)
    return place


def test_no_secret_leaves_its_place(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    canaries = Canaries()
    began_s = time.time() - 1
    objects = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    objects.start()
    address = "http://{}:{}".format(*objects.get_host_and_port())
    urllib.request.urlopen(urllib.request.Request(f"{address}/canaries", method="PUT"), timeout=30).close()  # noqa: S310
    images = InMemoryRegistry(auth=BasicAuth("me", canaries["config.json"]))
    units = InMemoryRegistry(auth=BasicAuth("me", canaries["helper"]))
    said: list[str] = []
    with images, units:
        env = {**_home(tmp_path / "home", canaries, images.host, units.host), "AWS_ENDPOINT_URL": address}
        place = _checkout(tmp_path / "project", canaries)
        out = tmp_path / "out"
        out.mkdir()

        def cargoship(*words: str | Path, check: bool = True, **more: str) -> str:
            done = run_cargoship(*words, cwd=place, env={**env, **more}, check=check)
            said.extend((done.stdout, done.stderr))
            return done.stdout + done.stderr

        caches = ("--cache-to", f"dir:{out / 'cache'}", "--cache-to", f"registry:{units.host}/me/units:x")
        reported = cargoship(
            *("build", "-vv", "--platform", "linux/amd64", "-t", f"{images.host}/me/{{name}}:{{git.tag}}", "--push"),
            *("-o", f"oci:{out / 'layout'}", "-o", f"oci-archive:{out / 'a.tar'}"),
            *("-o", f"docker-archive:{out / 'd.tar'}"),
            *("-o", f"rootfs:{out / 'files'}", *caches, "--cache-to", "s3://canaries/x"),
            *("--metadata-file", out / "metadata.json", "--image-refs", out / "refs", "--smoke", ""),
            GITHUB_STEP_SUMMARY=str(out / "summary.md"),
        )  # fmt: skip
        assert "Kept" in reported
        cargoship("build", "-vv", "--progress", "json", "--platform", "linux/amd64", *caches, GITHUB_ACTIONS="true")
        cargoship("cache", "export", out / "cache.tar", f"dir:{out / 'cache'}")
        image = f"{images.host}/me/app:v1.2.3"
        for words in (
            ("plan", "-vv"), ("plan", "--json"), ("cache", "explain", "--json"), ("cache", "stats", "--json"),
            ("cache", "verify", f"registry:{units.host}/me/units:x"), ("inspect", "--json", image),
            ("verify", "--json", image), ("dockerfile", "--write"), ("recipe", "prepare"), ("init",), ("doctor",),
            ("init", "--ci", "github"), ("init", "--ci", "gitlab"),
        ):  # fmt: skip
            cargoship(*words, check=False)
        # what fails has most to say
        (tmp_path / "home" / ".docker" / "config.json").write_text(
            json.dumps({"auths": {images.host: {"username": "me", "password": canaries["a wrong password"]}}})
        )
        wrong = cargoship(
            "build", "-vv", "--push", "-t", f"{images.host}/me/app:2", check=False, CARGOSHIP_BACKTRACE="1"
        )
        assert "error" in wrong
        for name in ("CARGOSHIP_DEBIAN_MIRROR", "CARGOSHIP_REGISTRY_MIRRORS", "CARGOSHIP_CACHE_TO", "CARGOSHIP_TAGS"):
            more = {name: f"docker.io=http://me:{canaries[name]}@mirror.example/x"}
            cargoship("build", "-vv", "--base", "debian:12", check=False, CARGOSHIP_BACKTRACE="1", **more)
        wrong = cargoship("inspect", f"https://{canaries['an address']}@registry.example/x", check=False)
        assert "names nobody before its host" in wrong
    objects.stop()

    places: dict[str, bytes] = {f"what was said, {number}": text.encode() for number, text in enumerate(said)}
    for name, registry in (("images", images), ("units", units)):
        held = registry.contents
        places |= {f"{name}: {digest}": data for digest, data in held.blobs.items()}
        manifests = [each for one in held.repositories.values() for each in one.manifests.items()]
        places |= {f"{name}: {digest}": data for digest, (_, data) in manifests}
    places |= {str(path): path.read_bytes() for path in _files(out)}
    own = (place / "target", place / ".github")
    kept = [path for folder in own for path in _files(folder) if not _is_cargos(path)]
    kept += [place / name for name in ("Dockerfile", ".dockerignore", "recipe.json", ".gitlab-ci.yml", "Cargo.toml")]
    kept += _files(cache_folder(), began_s)
    places |= {str(path): path.read_bytes() for path in kept if path.exists()}
    assert len(places) > 60, sorted(places)
    leaks = {
        f"{where}: the secret of {place}"
        for where, data in places.items()
        for part in _unpacked(data)
        for place in canaries.found_in(part)
    }
    assert not leaks, "\n".join(sorted(leaks))


def test_what_is_hidden_is_found() -> None:
    canaries = Canaries()
    word = canaries["x"].encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        info = tarfile.TarInfo("a")
        packed = gzip.compress(b"abc " + word)
        info.size = len(packed)
        made.addfile(info, io.BytesIO(packed))
    for data in (
        word,
        archive.getvalue(),
        *(base64.b64encode(before + word) for before in (b"", b"u:", b"me:", b"abc")),
    ):
        assert any(canaries.found_in(part) for part in _unpacked(data)), data
    assert not canaries.found_in(b"nothing" + base64.b64encode(b"nothing"))
