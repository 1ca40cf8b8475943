"""Addresses that people wrote into manifests, as SBOMs may have them. Pure.

cargo takes any text for an address. The schemas of CycloneDX and SPDX take URIs alone (RFC 3986), and a checker refuses
the whole document for one that is none.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from cargoship.printable import without_user

# RFC 3986, appendix A: reserved and unreserved characters, and % for what is encoded already
_URI_CHARACTERS = "-._~:/?#@!$&'()*+,;=%"
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WEB = re.compile(
    r"https?://[A-Za-z0-9\-._~!$&'()*+,;=%]+(?::\d*)?(?:/[^?#]*)?(?:\?[^#]*)?(?:#[^#]*)?",
    re.IGNORECASE,
)


def address_for_sbom(said: str) -> str:
    """An address of the web as a URI, without user and password; empty for what is none.

    Characters that no URI has (spaces, quotes, other scripts) are written in percent.
    """
    found = _BARE_PERCENT.sub("%25", quote(without_user(said.strip()), safe=_URI_CHARACTERS))
    return found if _WEB.fullmatch(found) else ""
