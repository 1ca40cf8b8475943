"""What is said about images in the words of others: statements of in-toto, and SLSA's provenance in them.

Pure: bytes and values. Who is asked for the facts, who signs them and where they go is said elsewhere.
"""
