"""What programs this machine runs, by itself or by QEMU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cargoship.errors import PlatformUnknown
from cargoship.native import runs_natively
from cargoship.oci.platform import Platform
from cargoship.platforms import row
from cargoship.programs import ProgramFinder

BINFMT = Path("/proc/sys/fs/binfmt_misc")


def emulator_for(platform: Platform, programs: ProgramFinder, env: Mapping[str, str]) -> Path | str | None:
    """QEMU for a platform, None where none is needed, or what is missing."""
    if runs_natively(platform):
        return None
    try:
        spec = row(platform)
    except PlatformUnknown:
        return f"{platform} is not known here"
    if spec.is_wasm:
        return "WebAssembly is run by a runtime of its own, such as wasmtime"
    name = spec.qemu
    # registered with the kernel, and held open by it (F), so that it is found from inside of any root
    registered = BINFMT / f"qemu-{name}"
    if registered.exists() and _has_flag_f(registered):
        return None
    return programs.find(f"qemu-{name}-static", env) or f"qemu-{name}-static is not installed"


def _has_flag_f(registered: Path) -> bool:
    text = registered.read_text(errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags:")), "")
    return text.startswith("enabled") and "F" in flags.partition(":")[2]
