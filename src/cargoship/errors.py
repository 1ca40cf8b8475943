"""Every error that cargoship raises on purpose, with its exit code.

An error says what is wrong, where, and what to do next (`hint`). The command line prints it and ends with
`exit_code`; a library user catches `CargoshipError` or one of its families. Foreign exceptions are mapped to
these at the seam that meets them. This module imports nothing of cargoship; docs/errors.md, which is made of it,
lists all errors by their exit codes.
"""

from __future__ import annotations

EXIT_UNEXPECTED = 70
"""Any other exception, EX_SOFTWARE of sysexits.h: a fault in cargoship itself."""


class CargoshipError(Exception):
    """Base of all of cargoship's errors.

    `message` is one sentence without a trailing full stop; `hint` says what to do next; `details` holds lines
    of another tool's own output that belong to the error, as it printed them.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(CargoshipError):
    """Options that do not go together, or a value that does not parse."""

    exit_code = 2


class KeywordInvalid(UsageError, TypeError):
    """A call of the library has no keyword of that name, or takes a list for it."""


class ProjectError(CargoshipError):
    """The Cargo project is not what the command needs."""

    exit_code = 19


class ManifestNotFound(ProjectError):
    """There is no Cargo.toml where one was looked for."""

    exit_code = 10


class ManifestInvalid(ProjectError):
    """cargo cannot load the manifest."""

    exit_code = 11


class PackageUnknown(ProjectError):
    """The workspace has no package of that name."""

    exit_code = 12


class BinaryUnknown(ProjectError):
    """No selected package has a binary of that name."""

    exit_code = 13


class FeatureUnknown(ProjectError):
    """No selected package has a feature of that name."""

    exit_code = 14


class NothingToShip(ProjectError):
    """The selected packages have no binary."""

    exit_code = 15


class NothingChanged(ProjectError):
    """No image is to be built, for nothing that was asked about has changed; the command line calls that success."""

    exit_code = 28


class LockOutdated(ProjectError):
    """Cargo.lock does not agree with the manifests."""

    exit_code = 16


class TreeNotClean(ProjectError):
    """Files differ from the commit, and that was forbidden."""

    exit_code = 18


class PlatformUnknown(CargoshipError):
    """No row of the platform table has that name, or no target for that C library."""

    exit_code = 17


class SettingsInvalid(CargoshipError):
    """A setting is unknown or has the wrong form."""

    exit_code = 20


class IncludeInvalid(CargoshipError):
    """An include pattern matches nothing, or leaves the project."""

    exit_code = 21


class RecipeInvalid(CargoshipError):
    """A recipe that cannot be read, is of an unknown version, or would write outside of its folder."""

    exit_code = 22


class WouldOverwrite(CargoshipError):
    """A person's own files are where a recipe would be cooked, or a Dockerfile written."""

    exit_code = 23


class DocumentInvalid(CargoshipError):
    """A document that cannot be read, or in which an image cannot be changed safely."""

    exit_code = 24


class ReferenceUnknown(CargoshipError):
    """A cargoship:// reference that no binary answers to, or that several do."""

    exit_code = 25


class NothingAttached(CargoshipError):
    """Nothing is said of an image, or not what was asked for: it has no SBOM."""

    exit_code = 29


class LicenseRefused(CargoshipError):
    """A crate has a licence that the settings do not take, or none that can be found out."""

    exit_code = 34


class ForeignFile(CargoshipError):
    """A file that cargo or Compose would obey without being asked to belongs to another user."""

    exit_code = 27


class OutOfDate(CargoshipError):
    """A generated file is not what would be generated now."""

    exit_code = 26


class ToolchainError(CargoshipError):
    """The Rust or Zig toolchain is not usable."""

    exit_code = 39


class UnitsUnknown(ToolchainError):
    """cargo cannot be asked which units a build has. The unit cache is not used then; it never ends a build."""

    exit_code = 33


class ToolMissing(ToolchainError):
    """A program that the build needs is not there."""

    exit_code = 30


class StandardLibraryMissing(ToolchainError):
    """Rust's standard library for a target is neither installed nor buildable."""

    exit_code = 31


class SysrootBuildFailed(ToolchainError):
    """Building the standard library from its sources failed."""

    exit_code = 32


class CannotStart(CargoshipError):
    """A binary could not start on the base it is meant for."""

    exit_code = 40


class NotRebasable(CargoshipError):
    """Nothing tells which layers of an image are its base's, or it would be another image if it were built again."""

    exit_code = 43


class NotRebuildable(CargoshipError):
    """An image cannot be made again from what its provenance says, or it came out as another one."""

    exit_code = 44


class NotSigned(CargoshipError):
    """An image is not signed by whom it should be, or what it should have is not."""

    exit_code = 41


class SigningFailed(CargoshipError):
    """A key cannot be read or used, or a service did not sign. Nothing gets a name then."""

    exit_code = 42


class TooLarge(CargoshipError):
    """An image for some platform, or a program, has more bytes than it may have."""

    exit_code = 45


class RegistryError(CargoshipError):
    """A registry did something that cargoship cannot go on with."""

    exit_code = 50


class RegistryUnreachable(RegistryError):
    """No answer: refused, timed out, or a broken connection after all retries."""

    exit_code = 51


class Unauthorized(RegistryError):
    """401: no credentials, or wrong ones."""

    exit_code = 52


class Forbidden(RegistryError):
    """403: credentials that may not do this."""

    exit_code = 53


class RegistryRefused(RegistryError):
    """The registry understood the request and refused it."""

    exit_code = 54


class ContentInvalid(CargoshipError):
    """Bytes that are not what their digest, size or media type promised."""

    exit_code = 55


class PackageUnresolved(CargoshipError):
    """A Debian package that there is not, or packages that do not go together."""

    exit_code = 56


class MirrorUnreachable(CargoshipError):
    """A mirror of Debian did not answer, or did not have a file that it should have."""

    exit_code = 57


class OutputError(CargoshipError):
    """A file or folder could not be written."""

    exit_code = 60


class DaemonError(CargoshipError):
    """The local container engine is missing, or refused the image."""

    exit_code = 61


class CacheUnavailable(CargoshipError):
    """A store of compiled units could not be read or written. A build goes on without it."""

    exit_code = 65


class NotPackable(CargoshipError):
    """A unit that a pack cannot hold: a link that leads out of it, a device, too many bytes."""

    exit_code = 66


class CacheWrong(CargoshipError):
    """A cache would have given another unit, or another program, than a clean build makes."""

    exit_code = 67


class RemoteFailed(CargoshipError):
    """A server of the Remote Execution API did not answer, or refused. A build goes on without it."""

    exit_code = 68


class InputsLost(RemoteFailed):
    """A server of the Remote Execution API says that it lacks something that an action needs."""


class ToolFailed(CargoshipError):
    """A program that was handed the result failed; its own exit code is passed on."""

    exit_code = 63

    def __init__(self, message: str, code: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        # as a shell tells the signal that ended a program
        self.exit_code = code if code > 0 else 128 - code


class CompileFailed(CargoshipError):
    """cargo ended with an error that it has already printed."""

    exit_code = 101


class Interrupted(CargoshipError):
    """Ctrl-C or SIGTERM."""

    exit_code = 130


class Stopped(Interrupted):
    """Another thread of the same work has failed or was interrupted."""

    def __init__(self) -> None:
        super().__init__("the exchange with the registry was stopped")
