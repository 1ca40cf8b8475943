"""cargo's build directory: its layouts, its fingerprints, which files are which unit's, reading and writing them.

It knows cargo's formats on disk. It must not know packs, stores or the network.
"""
