"""Debian's archive: signed indexes, versions, dependencies, and packages as files. It knows nothing of images' bases.

Nothing of a package is ever run. Everything that comes from a mirror is untrusted until a digest that leads up to a
signature of Debian's has been checked.
"""
