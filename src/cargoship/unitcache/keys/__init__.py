"""Names of units: what goes into a key, from the toolchain, the configuration and the content of files.

It knows what decides the outcome of a compilation. It must not know where cargo puts files, nor where units are kept.
"""
