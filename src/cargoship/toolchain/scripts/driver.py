"""Compile and link a whole C or C++ program for a static musl target, as `cc main.c -o main` would.

Started by the compiler wrapper, as a program of its own (standard library only):
    driver.py TRIPLE cc|c++ ZIG_TARGET ZIG_CPU ARGUMENTS...
Sources are compiled one by one through Zig; the target's linker wrapper links them with its start files.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C", ".S", ".s", ".m")
_VALUE_FOLLOWS = {
    "-I",
    "-D",
    "-U",
    "-include",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-x",
    "-Xclang",
    "-Xassembler",
    "-MF",
    "-MT",
    "-MQ",
    "-mllvm",
}
_LINK_VALUE_FOLLOWS = {"-L", "-l", "-u", "-T", "-z", "-Xlinker"}
_LINK_PREFIXES = ("-l", "-L", "-Wl,", "-u", "-z", "-T")
_LINK_FLAGS = {"-rdynamic", "-s", "-static-pie", "-pie"}


def main(triple: str, language: str, zig_target: str, zig_cpu: str, *arguments: str) -> int:
    """Build the program; the exit code of the first part that fails."""
    compile_flags: list[str] = []
    inputs: list[str] = []
    output = "a.out"
    rest = iter(arguments)
    for argument in rest:
        if argument == "-o":
            output = next(rest, output)
        elif argument in _VALUE_FOLLOWS:
            compile_flags += [argument, next(rest, "")]
        elif argument in _LINK_VALUE_FOLLOWS:
            inputs += [argument, next(rest, "")]
        elif argument in _LINK_FLAGS or argument.startswith(_LINK_PREFIXES) or not argument.startswith("-"):
            inputs.append(argument)
        else:
            compile_flags.append(argument)
    compiler = [os.environ["CARGOSHIP_ZIG"], language, "-target", zig_target, "-fno-sanitize=all"]
    if zig_cpu:
        compiler.append("-mcpu=" + zig_cpu)
    start = Path(os.environ["CARGOSHIP_SYSROOT"], "lib", "rustlib", triple, "lib", "self-contained")
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for number, item in enumerate(inputs):
            if not item.endswith(_SOURCES) or (number and inputs[number - 1] in _LINK_VALUE_FOLLOWS):
                objects.append(item)
                continue
            compiled = f"{folder}/{number}.o"
            code = subprocess.call(
                [*compiler, *compile_flags, *_listed(compile_flags, number), "-c", item, "-o", compiled]
            )
            if code:
                return code
            objects.append(compiled)
        runtime = ["--c++-if-missed"] if language == "c++" else []
        # No position-independent program: compilers' own flags differ, and a test program needs none.
        return subprocess.call(
            [
                f"cargoship-{triple}-ld",
                "-static",
                "-o",
                output,
                str(start / "crt1.o"),
                str(start / "crti.o"),
                f"-L{start}",
                *[item for item in objects if item not in {"-pie", "-static-pie"}],
                *runtime,
                "-lc",
                str(start / "crtn.o"),
            ]
        )


def _listed(flags: list[str], number: int) -> list[str]:
    """Where the cache asks what a build script reads: the compiler, which cannot be watched, says it."""
    unit = os.environ.get("CARGOSHIP_WATCH_UNIT")
    if not unit or any(flag.startswith("-M") for flag in flags):
        return []
    return ["-MD", "-MF", f"{unit}-{os.getpid()}-{number}.list"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
