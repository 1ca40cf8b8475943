"""What a program is made of, as cargo compiled it, and how scanners are given that.

Knows crates, their licences and the C sources that come inside some of them; turns them into the lists that others
read (cargo-auditable's section, CycloneDX, SPDX). Knows nothing of registries and of how images are put together.
"""
