"""The formats of what is kept: an index, and packs of compressed frames.

It knows bytes and bounds. It must not know where they lie, nor what cargo makes of them.
"""
