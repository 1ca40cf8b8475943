"""The last stage: the files on a base, and how they are run. It starts no program, so nothing is emulated for it."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.bases.static import static_config
from cargoship.dockerfile.words import assignments, bare, docker_duration, volume_list, without_controls, words
from cargoship.errors import CannotStart, UsageError
from cargoship.image_layers import image_config
from cargoship.oci.config import ImageConfig
from cargoship.plan import ImagePlan, Plan
from cargoship.platforms import Libc, LibcFamily
from cargoship.settings.base import BuiltInBase, LayoutBase, distribution_of

_LABEL = "org.opencontainers.image."
# what changes without the project's settings; the builder of the image knows it, and a file in git does not
_NOT_WRITTEN = (_LABEL + "created", _LABEL + "version", _LABEL + "revision")


def check_base(image: ImagePlan, libc: Libc) -> None:
    """Raise UsageError for a base that Docker cannot be given by name, CannotStart for one without the C library."""
    if isinstance(image.settings.base_spec, LayoutBase):
        raise UsageError(
            f"Docker cannot take {image.settings.base} as a base", hint="name an image in a registry with --base"
        )
    if distribution_of(image.settings.base_spec) is not None:
        raise UsageError(
            f"the base {image.settings.base} is made by `cargoship build`, and Docker has no image of it",
            hint="name an image in a registry with --base, such as debian:12-slim",
        )
    if libc.family is LibcFamily.GNU and isinstance(image.settings.base_spec, BuiltInBase):
        raise CannotStart(
            f"programs linked with glibc cannot start on the base {image.settings.base!r}: it has no C library",
            hint="name a base with glibc, such as --base debian:12-slim",
        )


def runtime(plan: Plan, image: ImagePlan, *, cross: bool) -> Iterator[str]:
    """Return its lines; with `cross` the argument PLATFORMS says what was compiled."""
    several = len(plan.images) > 1
    base = image.settings.base
    built_in = isinstance(image.settings.base_spec, BuiltInBase)
    yield "# The image: no program runs here, so no platform is emulated."
    name = f"runtime-{image.name}" if several else "runtime"
    yield f"FROM {'scratch' if built_in else without_controls(base, '--base')} AS {name}"
    yield "ARG TARGETPLATFORM"
    if cross:
        # BuildKit shows the lines before one that fails: "/out/linux/s390x: not found" explains nothing alone
        yield "# (not found: a platform that PLATFORMS leaves out)"
    yield f"COPY --from=build /out/{image.name + '/' if several else ''}$TARGETPLATFORM/ /"
    yield from _run(
        image,
        image_config(image, static_config() if image.settings.base_spec is BuiltInBase.STATIC else ImageConfig()),
        built_in=built_in,
    )


def _run(image: ImagePlan, config: ImageConfig, *, built_in: bool) -> Iterator[str]:
    # a base of Docker's brings its own PATH, which config_of fills in where there is none
    env = config.env if built_in else image.settings.env
    yield from assignments("ENV", env)
    labels = {key: value for key, value in sorted(config.labels.items()) if _is_written(image, key)}
    yield from assignments("LABEL", labels)
    yield f"WORKDIR {bare(config.working_dir or '/', 'workdir')}"
    if config.exposed_ports:
        yield f"EXPOSE {' '.join(config.exposed_ports)}"
    if config.volumes:
        yield f"VOLUME {volume_list(config.volumes, 'volumes')}"
    if config.stop_signal:
        yield f"STOPSIGNAL {config.stop_signal}"
    check = image.settings.healthcheck
    if check is not None:
        times = {"interval": check.interval_ns, "timeout": check.timeout_ns, "start-period": check.start_period_ns}
        options = [f"--{name}={docker_duration(ns)}" for name, ns in times.items() if ns is not None]
        options += [f"--retries={check.retries}"] if check.retries is not None else []
        yield " ".join(["HEALTHCHECK", *options, "CMD", words(check.command, "healthcheck")])
    yield f"USER {bare(config.user or '0:0', 'user')}"
    yield f"ENTRYPOINT {words(config.entrypoint, 'entrypoint')}"
    if config.cmd:
        yield f"CMD {words(config.cmd, 'args')}"


def _is_written(image: ImagePlan, key: str) -> bool:
    if key in image.settings.labels:
        return True
    # where a clone came from is no fact of the project
    return key not in _NOT_WRITTEN and (key != _LABEL + "source" or image.package.repository is not None)
