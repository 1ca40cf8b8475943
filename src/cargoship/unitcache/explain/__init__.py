"""Why units were compiled, in words for people.

It reads what a build has left, and must not change a store or a build directory.
"""
