"""Looking after a store: what can go, whether it is whole, carrying it elsewhere, what lies on this machine.

It works on stores from outside of any build, and must not know a build directory.
"""
