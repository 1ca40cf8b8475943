"""Whether a whole image can start, as its config says."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.checks.program import ProgramContext, check_program, find_program
from cargoship.checks.surroundings import check_surroundings, hidden_etc
from cargoship.checks.users import Owner, check_user, owner_of
from cargoship.elf.facts import ElfFacts
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.rootfs.tree import FileNode, ResolvedPath
from cargoship.rootfs.view import RootFs

LAYERS_MAX = 125
"""How many layers Docker takes (moby, layer/layer_store.go, maxLayerDepth)."""
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
    place = ProgramContext(platform, config.env, config.working_dir or "/")
    said = f"the image ({platform})"
    yield from check_count(len(root.layers), said=said)
    yield from check_layers(root, said=said)
    yield from check_user(config.user or "", root, said=said)
    yield from check_workdir(config, root, platform)
    yield from check_surroundings(config, root, said=said)
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


def check_count(count: int, *, said: str) -> Iterator[Finding]:
    """Whether engines take so many layers."""
    if count > LAYERS_MAX:
        yield error(
            Code.TOO_MANY_LAYERS,
            f"{said} has {count} layers, and Docker takes {LAYERS_MAX}",
            "choose a base with fewer layers, or squash them",
        )


def check_layers(root: RootFs, *, said: str) -> Iterator[Finding]:
    """Whether engines can unpack the layers."""
    for fault in root.faults:
        yield error(
            Code.LAYER_REFUSED,
            f"{said} cannot be unpacked: {fault}, which engines refuse",
            "make that layer again with a tool of today",
        )


def check_workdir(config: ImageConfig, root: RootFs, platform: Platform) -> Iterator[Finding]:
    """Whether a container can be in the image's working folder; one that is not there is made."""
    folder = config.working_dir or "/"
    said = f"the working folder {folder} ({platform})"
    if not folder.startswith("/"):
        yield error(Code.WORKDIR_WRONG, f"{said} is not absolute", "begin it with /")
        return
    parts = folder.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        path = "/" + "/".join(parts[:count])
        found = root.find(path)
        if found is None and root.tree.is_circle(path):
            yield error(Code.WORKDIR_WRONG, f"{said} leads through {path}, a link that never ends", "name a folder")
            return
        if found is not None and not found.node.is_folder:
            yield error(Code.WORKDIR_WRONG, f"{said} leads through {found.path}, which is no folder", "name a folder")
            return


def check_entrypoint(
    name: str, found: ResolvedPath | None, root: RootFs, config: ImageConfig, platform: Platform
) -> Finding | None:
    """What is wrong with what an image starts first, before it is looked into."""
    said = f"the entrypoint {name} ({platform})"
    if found is None:
        there = root.tree.find(name, follow=False) if name.startswith("/") else None
        text = f"{said} does not exist in the image"
        if there is not None:
            text = f"{said} is a link to {there.node.link}, which does not exist in the image"
        return error(Code.ENTRYPOINT_MISSING, text, "correct entrypoint, or include the file")
    if (wrong := _no_program(name, found, root, said)) is not None:
        return wrong
    owner = owner_of(config.user or "", root)
    closed = (
        None if owner is None else next((each for each in found.passed if not each.mode & _bits(each, owner)), None)
    )
    if closed is not None and owner is not None and owner.uid != 0:
        return error(
            Code.FOLDER_CLOSED,
            f"{said} is in a folder that user {config.user} may not enter: its mode is {closed.mode:04o}",
            "give the folder a mode such as 0755",
        )
    bits = 0o111 if owner is None else _bits(found.node, owner)
    if not found.node.mode & bits:
        who = f" by user {config.user}" if found.node.mode & 0o111 else ""
        return error(
            Code.NOT_EXECUTABLE,
            f"{said} cannot be executed{who}: its mode is {found.node.mode:04o}",
            'give it one that can, such as mode = "0755" in include',
        )
    return None


def _no_program(name: str, found: ResolvedPath, root: RootFs, said: str) -> Finding | None:
    """What is wrong with a name that leads to something."""
    if not found.node.is_file:
        return error(Code.NOT_EXECUTABLE, f"{said} is not a file", "correct entrypoint")
    if name.endswith("/"):
        return error(Code.NOT_EXECUTABLE, f"{said} is no folder, as the / at its end says", "take the / away")
    if name.startswith("/etc/") and (link := hidden_etc(root)) is not None:
        text = f"{said} is behind /etc, a link to {link}, in whose place Docker puts a folder of its own"
        return error(Code.ENTRYPOINT_MISSING, text, "name it by the folder that it is in")
    return None


def check_certificates(facts: ElfFacts | None, path: str, root: RootFs, place: ProgramContext) -> Iterator[Finding]:
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


def has_certificates(root: RootFs, place: ProgramContext) -> bool:
    """Whether there are CA certificates where programs look for them."""
    named = place.env.get("SSL_CERT_FILE")
    files = (named, *_CERTIFICATES) if named else _CERTIFICATES
    if any((found := root.find(path)) is not None and found.node.is_file for path in files):
        return True
    folder = root.find(place.env.get("SSL_CERT_DIR") or "/etc/ssl/certs")
    return folder is not None and folder.node.is_folder and not folder.node.is_empty


def check_healthcheck(config: ImageConfig, root: RootFs, place: ProgramContext) -> Iterator[Finding]:
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


def _bits(node: FileNode, owner: Owner) -> int:
    """The permission bit that counts for a user; any of them for root (execve(2), path_resolution(7))."""
    if owner.uid == 0:
        return 0o111
    if node.uid == owner.uid:
        return 0o100
    return 0o010 if node.gid in {owner.gid, *owner.more} else 0o001
