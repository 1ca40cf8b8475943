"""Reading from mirrors first: who says which, and a client that tries them in turn.

Names, digests and everything that is written stay the registry's own.
"""
