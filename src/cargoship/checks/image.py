"""Whether a whole image can start, as its config says."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.checks.program import Place, check_program, find_program
from cargoship.checks.users import check_user, owner_of
from cargoship.elf.facts import ElfFacts
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.rootfs.tree import Found, Node
from cargoship.rootfs.view import RootFs

# Where OpenSSL, rustls-native-certs and Go look, by distribution.
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cacert.pem",
)


def check_image(root: RootFs, config: ImageConfig, platform: Platform) -> Iterator[Finding]:
    """Everything: user, entrypoint, program, libraries, certificates, health check.

    Raises what reading the root file system raises.
    """
    place = Place(platform, config.env)
    yield from check_user(config.user or "", root, said=f"the image ({platform})")
    argv = (*config.entrypoint, *config.cmd)
    if not argv:
        yield Finding(
            Severity.NOTE, Code.NOTHING_TO_START, f"the image ({platform}) names nothing to start: it is a base"
        )
        return
    found = find_program(argv[0], root, config.env, config.working_dir or "/")
    wrong = check_entrypoint(argv[0], found, root, config, platform)
    if wrong is not None or found is None:
        yield from () if wrong is None else (wrong,)
        return
    yield from check_program(found, root, place)
    yield from check_certificates(root.elf(found), found.path, root, place)
    yield from check_healthcheck(config, root, place)


def check_entrypoint(
    name: str, found: Found | None, root: RootFs, config: ImageConfig, platform: Platform
) -> Finding | None:
    """What is wrong with what an image starts first, before it is looked into."""
    said = f"the entrypoint {name} ({platform})"
    if found is None:
        there = root.tree.find(name, follow=False) if name.startswith("/") else None
        text = f"{said} does not exist in the image"
        if there is not None:
            text = f"{said} is a link to {there.node.link}, which does not exist in the image"
        return error(Code.ENTRYPOINT_MISSING, text, "correct entrypoint, or include the file")
    if not found.node.is_file:
        return error(Code.NOT_EXECUTABLE, f"{said} is not a file", "correct entrypoint")
    owner = owner_of(config.user or "", root)
    bits = 0o111 if owner is None else _bits(found.node, owner.uid, owner.gid)
    if not found.node.mode & bits:
        who = f" by user {config.user}" if found.node.mode & 0o111 else ""
        return error(
            Code.NOT_EXECUTABLE,
            f"{said} cannot be executed{who}: its mode is {found.node.mode:04o}",
            'give it one that can, such as mode = "0755" in include',
        )
    return None


def check_certificates(facts: ElfFacts | None, path: str, root: RootFs, place: Place) -> Iterator[Finding]:
    """Warn of a program that looks for CA certificates in an image that has none."""
    if facts is None:
        return
    looks = facts.finds_certificates or any(name.startswith(("libssl.so", "libgnutls.so")) for name in facts.needed)
    if not looks or has_certificates(root, place):
        return
    yield Finding(
        Severity.WARNING,
        Code.CERTIFICATES_MISSING,
        f"{path} ({place.platform}) looks for CA certificates, and its image has none: TLS connections will fail",
        "the base static has them; others have a package, ca-certificates",
    )


def has_certificates(root: RootFs, place: Place) -> bool:
    """Whether there are CA certificates where programs look for them."""
    named = place.env.get("SSL_CERT_FILE")
    files = (named, *_CERTIFICATES) if named else _CERTIFICATES
    if any((found := root.find(path)) is not None and found.node.is_file for path in files):
        return True
    folder = root.find(place.env.get("SSL_CERT_DIR") or "/etc/ssl/certs")
    return folder is not None and bool(folder.node.children)


def check_healthcheck(config: ImageConfig, root: RootFs, place: Place) -> Iterator[Finding]:
    """Warn of a health check whose program is not there."""
    test = (config.healthcheck or {}).get("Test")
    words = [str(word) for word in test] if isinstance(test, list) else []
    match words:
        case ["CMD-SHELL", _]:
            name = "/bin/sh"
        case ["CMD", str(name), *_]:
            pass
        case _:
            return
    found = find_program(name, root, config.env, config.working_dir or "/")
    if found is None or not found.node.is_executable:
        yield Finding(
            Severity.WARNING,
            Code.HEALTHCHECK_MISSING,
            f"the health check runs {name} ({place.platform}), which the image does not have as a program",
            "name a program of the image, as a list of words",
        )


def _bits(node: Node, uid: int, gid: int) -> int:
    """The permission bit that counts for a user; any of them for root (execve(2), path_resolution(7))."""
    if uid == 0:
        return 0o111
    if node.uid == uid:
        return 0o100
    return 0o010 if node.gid == gid else 0o001
