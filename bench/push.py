"""cargoship's push beside `skopeo copy` and `docker push` of the same image, each to a docker-registry of its own.

    .venv/bin/python bench/push.py [--mib 64,16,16,16] [--runs 5] [--no-docker] [--copy]

The image has one layer for each number, of that many MiB that do not compress. Each side pushes it three times, from an
OCI layout; with `--copy` it comes from another docker-registry instead (docker has no such command):

  first            the registry is empty
  one layer        the smallest layer is another one
  nothing          the same image again

`cargoship` is `cargoship copy` as people type it, `skopeo` is `skopeo copy`; both check what they read. `the push
alone` is the same in a process that runs already, as that of a `cargoship build --push` does. docker has the image in
its engine, which does the work, compression included: its CPU and memory are not seen here. Wall and CPU time (wait4)
and memory (the peak of /proc) are those of the whole client process, its start included. What the registry itself needs
of the processor is given too: it hashes and writes every byte, no matter who sends it, and no client is quicker than
that. Layouts and registries are in memory where the system has a file system there (`--work` names another place): a
disk takes the same time for everybody. Sides take turns, and who comes first does too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Peak  # noqa: E402 - the other benchmark, beside this one
from figures import Samples, summary, table  # noqa: E402

from cargoship.oci.archive import write_archive  # noqa: E402
from cargoship.oci.compress import Codec, Compression  # noqa: E402
from cargoship.oci.config import ImageConfig  # noqa: E402
from cargoship.oci.image import make_image  # noqa: E402
from cargoship.oci.index import Index, index_of  # noqa: E402
from cargoship.oci.layer import build_layer  # noqa: E402
from cargoship.oci.layout import write_layout  # noqa: E402
from cargoship.oci.platform import Platform  # noqa: E402
from cargoship.oci.reference import Reference  # noqa: E402
from cargoship.oci.store import BlobStore  # noqa: E402
from cargoship.oci.tar import LayerEntry  # noqa: E402
from support.programs import CARGOSHIP  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402 - needs the path above

STATES = ("first", "one layer", "nothing")
_MIB = 1 << 20
_AMD64 = Platform("linux", "amd64")
_NAME = "bench/app"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system, not a place for one file
"""A file system in memory: a disk that takes 200 MB a second is the same for everybody, and hides them all."""
_PUSH = """
import os, sys, time
from pathlib import Path
from cargoship.events import ignore
from cargoship.oci.layout import read_layout
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.connect import connect, warm
from cargoship.registry.options import Access
from cargoship.registry.push import push_index
layout, name = sys.argv[1:]
reference = Reference.parse(name)
index = read_layout(Path(layout), select=None)
warm()
env, started, before = dict(os.environ), time.monotonic(), time.process_time()
with connect(reference.registry, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client:
    push_index(client, index, reference=reference, tags=["1"], emit=ignore)
print(time.monotonic() - started, time.process_time() - before)
"""


@dataclass(frozen=True)
class Cost:
    """What a process cost."""

    wall_s: float
    cpu_s: float
    memory_mib: float
    printed: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.wall_s * 1000:8.0f} ms wall {self.cpu_s * 1000:8.0f} ms CPU {self.memory_mib:6.0f} MiB"


def measure(argv: Sequence[str | Path]) -> Cost:
    """Run to the end; a failure shows what was printed and ends the benchmark."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(list(map(str, argv)), stdout=output, stderr=output)
        peak = Peak(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        memory_mib = peak.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
        if process.returncode:
            sys.exit(f"{argv} ended with {process.returncode}\n{printed}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, memory_mib, printed.strip())


@dataclass(frozen=True)
class Images:
    """Two images that differ in one layer, as layouts and as archives."""

    folder: Path

    def layout(self, number: int) -> Path:
        """The OCI layout of image 0 or 1."""
        return self.folder / f"layout{number}"

    def archive(self, number: int) -> Path:
        """The same for `docker load`."""
        return self.folder / f"image{number}.tar"


def make_images(folder: Path, sizes_mib: Sequence[int], *, archives: bool) -> Images:
    """Layers of random bytes: what compresses well says more about compressors than about pushes."""
    store = BlobStore(folder / "blobs")
    # random bytes stay as they are, and a gigabyte takes no minute to make
    plain = Compression.of(Codec.NONE)
    images = Images(folder)

    def layer(name: str, size_mib: int) -> object:
        path = folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(os.urandom(_MIB))
        return build_layer([LayerEntry.file(name, path)], store=store, compression=plain, epoch=0, created_by=name)

    largest_first = sorted(sizes_mib, reverse=True)
    shared = [layer(f"layer{number}", size_mib) for number, size_mib in enumerate(largest_first[:-1])]
    for number in (0, 1):
        layers = [*shared, layer(f"own{number}", largest_first[-1])]
        image = make_image(
            platform=_AMD64,
            config=ImageConfig(entrypoint=("/app",)),
            layers=layers,  # type: ignore[arg-type]
            created="1970-01-01T00:00:00Z",
            annotations={},
        )
        index: Index = index_of([image], annotations={})
        name = Reference.parse(f"localhost/{_NAME}:{number}")
        write_layout(images.layout(number), index, names=[name])
        if archives:
            write_archive(images.archive(number), index, names=[name], native=_AMD64)
    return images


def cargoship(images: Images, number: int, host: str) -> Cost:
    """As people type it."""
    return measure([CARGOSHIP, "copy", "-q", f"oci:{images.layout(number)}", f"{host}/{_NAME}:1"])


def pushed(images: Images, number: int, host: str) -> Cost:
    """Through the library that `cargoship build --push` uses, in a process that runs already."""
    cost = measure([sys.executable, "-c", _PUSH, images.layout(number), f"{host}/{_NAME}:1"])
    wall_s, cpu_s = map(float, cost.printed.split())
    return replace(cost, wall_s=wall_s, cpu_s=cpu_s)


def skopeo(images: Images, number: int, host: str) -> Cost:
    """The index and its image, digests as they are."""
    target = f"docker://{host}/{_NAME}:1"
    options = ["--all", "--preserve-digests", "--dest-tls-verify=false", "-q"]
    return measure(["skopeo", "copy", *options, f"oci:{images.layout(number)}", target])


def docker(images: Images, number: int, host: str) -> Cost:
    """From the engine, where the image is already."""
    del images
    name = f"{host}/{_NAME}:1"
    subprocess.run(["docker", "tag", f"localhost/{_NAME}:{number}", name], check=True)
    try:
        return measure(["docker", "push", "-q", name])
    finally:
        subprocess.run(["docker", "rmi", name], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def loaded(images: Images) -> Iterator[None]:
    """Both images in the engine, and gone afterwards."""
    names = [f"localhost/{_NAME}:{number}" for number in (0, 1)]
    for number in (0, 1):
        subprocess.run(["docker", "load", "-q", "-i", images.archive(number)], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run(["docker", "rmi", *names], check=False, stdout=subprocess.DEVNULL)


Side = Callable[[Images, int, str], Cost]


def compare(images: Images, work: Path, sides: Mapping[str, Side], runs: int, title: str) -> Samples:
    """Every side in turn, each with a registry that is empty at first."""
    samples = Samples()
    for run in range(runs):
        for name in list(sides)[run % len(sides) :] + list(sides)[: run % len(sides)]:
            folder = work / f"{name}{run}"
            folder.mkdir()
            with running_registry(folder) as registry:
                for state, number in zip(STATES, (0, 1, 1), strict=True):
                    before_s = registry.cpu_s()
                    cost = sides[name](images, number, registry.host)
                    registry_s = registry.cpu_s() - before_s
                    row = f"{title}, {state}"
                    samples.add(row, name, wall_s=cost.wall_s, cpu_s=cost.cpu_s, memory_mib=cost.memory_mib)
                    samples.add(row, name, registry_cpu_s=registry_s)
                    print(f"{state:<10} {name:<16} {cost} ({registry_s * 1000:.0f} ms CPU of the registry)", flush=True)
            shutil.rmtree(folder)
    # in the order of the sides, no matter which came first
    for row, measured in samples.rows.items():
        samples.rows[row] = {name: measured[name] for name in sides}
    return samples


def copies(source: str) -> dict[str, Side]:
    """From another registry, which has both images, by the commands that people use."""

    def ours(images: Images, number: int, host: str) -> Cost:
        del images
        return measure([CARGOSHIP, "copy", "-q", f"{source}/{_NAME}:{number}", f"{host}/{_NAME}:1"])

    def theirs(images: Images, number: int, host: str) -> Cost:
        del images
        options = ["--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false", "-q"]
        names = [f"docker://{source}/{_NAME}:{number}", f"docker://{host}/{_NAME}:1"]
        return measure(["skopeo", "copy", *options, *names])

    return {"cargoship": ours, "skopeo": theirs}


def main() -> None:
    """Parse the options and run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", default="64,16,16,16", help="sizes of the layers")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--copy", action="store_true", help="copy from another registry instead")
    parser.add_argument("--no-docker", action="store_true", help="leave docker push out")
    parser.add_argument("--work", type=Path, default=_MEMORY if _MEMORY.is_dir() else None, help="where all files are")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    options = parser.parse_args()
    # as pip installs a program, with its byte code
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([CARGOSHIP, "copy", "--help"], check=True, stdout=subprocess.DEVNULL)
    sizes = [int(size) for size in options.mib.split(",")]
    title = f"{sum(sizes)} MiB in {len(sizes)} layers"
    docker_too = not (options.no_docker or options.copy)
    with tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir=options.work) as place:
        work = Path(place)
        images = make_images(work, sizes, archives=docker_too)
        sides: dict[str, Side] = {"cargoship": cargoship, "the push alone": pushed, "skopeo": skopeo}
        if options.copy:
            (work / "source").mkdir()
            with running_registry(work / "source") as source:
                for number in (0, 1):
                    target = f"docker://{source.host}/{_NAME}:{number}"
                    layout = f"oci:{images.layout(number)}"
                    push = ["skopeo", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "-q"]
                    subprocess.run([*push, layout, target], check=True)
                samples = compare(images, work, copies(source.host), options.runs, f"from a registry, {title}")
        elif docker_too:
            with loaded(images):
                samples = compare(images, work, {**sides, "docker": docker}, options.runs, title)
        else:
            samples = compare(images, work, sides, options.runs, title)
    print(table({"rows": summary(samples.rows), "base": "cargoship"}))
    samples.write(options.json)


if __name__ == "__main__":
    main()
