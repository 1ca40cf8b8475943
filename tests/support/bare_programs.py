"""Programs in C without a C library: Zig would first compile all of musl for each processor, which takes minutes."""

from __future__ import annotations

import sys
from pathlib import Path

from support.programs import run

EXIT = """
__attribute__((noreturn)) static void leave(long code) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60L), "D"(code));
#elif defined(__aarch64__)
    register long number __asm__("x8") = 93, first __asm__("x0") = code;
    __asm__ volatile("svc 0" : : "r"(number), "r"(first));
#endif
    for (;;) {}
}
"""
"""Ends the program, by the system calls of Linux (syscall(2))."""


def compiled(source: Path, target: str, program: Path, *flags: str) -> Path:
    """A static program for a target in Zig's words; its `_start` never returns."""
    words = ("cc", "-target", target, "-O1", "-static", "-nostdlib", *flags, source.name, "-o", str(program))
    run(sys.executable, "-m", "ziglang", *words, cwd=source.parent)
    return program
