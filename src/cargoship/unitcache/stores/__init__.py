"""Places that keep an index and packs: a folder, a registry, an object store, and combinations of them.

They know how to read, write and replace; they must not know what a unit is beyond its entry in an index.
"""
