"""`cargoship verify` of an image with one layer of very many files beside `tar t` of that layer.

    .venv/bin/python bench/layers.py [--files 1000000] [--runs 3]

The files are empty, a hundred to a folder; the program is in the same layer. Seconds are CPU time (wait4) of the whole
process, the best of some runs; memory is its peak. The first look has an empty cache, the second one the first one's.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from figures import Samples  # noqa: E402 - beside this script

from support.elf_files import elf_file  # noqa: E402 - needs the path above
from support.programs import CARGOSHIP  # noqa: E402 - needs the path above

_FOLDER_FILES = 100
_OCI = "application/vnd.oci.image."


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-layers-") as made:
        folder = Path(made)
        layer = _write(folder / "layout", asked.files)
        lists = [_measured(["tar", "tzf", str(layer)]) for _ in range(asked.runs)]
        listed = min(lists)
        print(f"tar t          {listed[0]:6.2f} s {listed[1] >> 20:5} MB")
        looks = [_looks(folder, number) for number in range(asked.runs)]
        for name, measured in zip(("first look", "second look"), map(min, zip(*looks, strict=True)), strict=True):
            print(f"{name:14} {measured[0]:6.2f} s {measured[1] >> 20:5} MB  {measured[0] / listed[0]:.1f} x tar")

        samples = Samples()
        rows = {"tar t": lists, **dict(zip(("first look", "second look"), zip(*looks, strict=True), strict=True))}
        for name, each in rows.items():
            for cpu_s, memory_bytes in each:
                samples.add(f"{asked.files} files", name, cpu_s=cpu_s, memory_mib=memory_bytes / (1 << 20))
        samples.write(asked.json)


def _looks(folder: Path, number: int) -> tuple[tuple[float, int], tuple[float, int]]:
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / f"cache-{number}")}
    command = [str(CARGOSHIP), "verify", f"oci:{folder}/layout"]
    return _measured(command, env), _measured(command, env)


def _measured(command: Sequence[str], env: dict[str, str] | None = None) -> tuple[float, int]:
    """CPU time in seconds and the peak of memory in bytes; those that it has started and waited for are included."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss << 10


def _write(layout: Path, files: int) -> Path:
    """An image layout; its layer."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    unfinished, content = layout / "layer", hashlib.sha256()
    with gzip.GzipFile(unfinished, "wb", compresslevel=1, mtime=0) as out:
        for piece in _archive(files):
            content.update(piece)
            out.write(piece)
    data = unfinished.read_bytes()
    layer = blobs / hashlib.sha256(data).hexdigest()
    unfinished.rename(layer)

    def put(media_type: str, document: object) -> dict[str, object]:
        raw = json.dumps(document).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (blobs / digest).write_bytes(raw)
        return {"mediaType": _OCI + media_type, "digest": f"sha256:{digest}", "size": len(raw)}

    rootfs = {"type": "layers", "diff_ids": [f"sha256:{content.hexdigest()}"]}
    config = {"os": "linux", "architecture": "amd64", "config": {"Entrypoint": ["/bin/app"]}, "rootfs": rootfs}
    described = {"mediaType": f"{_OCI}layer.v1.tar+gzip", "digest": f"sha256:{layer.name}", "size": len(data)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}manifest.v1+json",
        "config": put("config.v1+json", config),
        "layers": [described],
    }
    index = {"schemaVersion": 2, "manifests": [put("manifest.v1+json", manifest)]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return layer


def _archive(files: int) -> Iterator[bytes]:
    program = elf_file("EM_X86_64")
    yield _header("bin", tarfile.DIRTYPE, 0o755)
    yield _header("bin/app", tarfile.REGTYPE, 0o755, len(program)) + program + bytes(-len(program) % 512)
    for first in range(0, files, _FOLDER_FILES):
        folder = f"usr/share/data/folder-{first // _FOLDER_FILES:05d}"
        names = [f"{folder}/some-file-{number:03d}.txt" for number in range(min(_FOLDER_FILES, files - first))]
        headers = [_header(name, tarfile.REGTYPE, 0o644) for name in names]
        yield b"".join([_header(folder, tarfile.DIRTYPE, 0o755), *headers])
    yield bytes(1024)


def _header(name: str, kind: bytes, mode: int, size_bytes: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.mtime = kind, mode, size_bytes, 1_700_000_000
    return member.tobuf(tarfile.USTAR_FORMAT)


if __name__ == "__main__":
    main()
