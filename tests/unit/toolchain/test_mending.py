"""The commands that `cargoship doctor --fix` runs, in the order in which they can work."""

from __future__ import annotations

from cargoship.process import Command
from cargoship.toolchain.diagnose import Diagnosis, Prerequisite, mending


def test_debians_lists_are_fetched_before_its_first_package() -> None:
    """On a new Debian apt-get could locate no package: nobody had fetched the lists."""
    apt = [Command(("/usr/bin/apt-get", "install", "-y", name)) for name in ("cargo-web", "gcc")]
    rustup = Command(("rustup", "target", "add", "x"))
    found = Diagnosis(tuple(Prerequisite("x", None, mend=each) for each in (rustup, *apt)))
    assert [each.argv[1] for each in mending(found)] == ["target", "update", "install", "install"]
    assert list(mending(Diagnosis((Prerequisite("x", "here", mend=apt[0]),)))) == []
