"""What Debian packages in the settings go with, and what they mean for the C library."""

from __future__ import annotations

from collections.abc import Sequence

from cargoship.debian.suites import RELEASES
from cargoship.errors import UsageError
from cargoship.plan.model import ImagePlan
from cargoship.platforms import Libc, LibcFamily, row
from cargoship.settings.model import Settings


def check_packages(images: Sequence[ImagePlan]) -> None:
    """Raise UsageError for packages on another base, or with another C library, than they can be used with."""
    for image in images:
        settings = image.settings
        name = "packages" if settings.packages else "build-packages"
        if (settings.packages or settings.build_packages) and settings.debian is None:
            releases = " or ".join(f'"deb:{each.codename}"' for each in RELEASES[1:])
            raise UsageError(
                f"{image.name} has {name}, which need a base of Debian packages, but its base is {settings.base!r}",
                hint=f"write base = {releases}; an image in a registry cannot be added to",
            )
        debian, floor = settings.debian, settings.libc.floor
        if debian is not None and floor is not None and floor > debian.release.glibc:
            has = "{}.{}".format(*debian.release.glibc)
            raise UsageError(
                f"the base {debian} of {image.name} has glibc {has}, and programs are to be linked for "
                "{}.{}".format(*floor),
                hint=f'write libc = "gnu" or "gnu:{has}", or take a newer release',
            )
        lacking = next((at for at in settings.platforms if not (row(at).debian or row(at).is_wasm)), None)
        if debian is not None and lacking is not None:
            raise UsageError(
                f"the base {debian} of {image.name} cannot be made for {lacking}, which Debian does not have",
                hint=f"leave {lacking} out, or take the base static, or an image that is for it",
            )
        if settings.build_packages and settings.libc.family is not LibcFamily.GNU:
            raise UsageError(
                f"{image.name} has build-packages, whose libraries are linked with glibc, but its libc is musl",
                hint='write libc = "gnu"; static programs take libraries that crates compile themselves',
            )


def libc_of(settings: Settings) -> Libc:
    """The C library; libraries of a release need that release's glibc anyway, and the linker may know of it."""
    debian = settings.debian
    if settings.build_packages and debian is not None and settings.libc == Libc(LibcFamily.GNU):
        return Libc(LibcFamily.GNU, debian.release.glibc)
    return settings.libc
