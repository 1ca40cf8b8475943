"""Signatures as cosign has them: keys, envelopes, bundles. Knows nothing of registries; no secret has a `repr`.

What is heavy (`cryptography`, `nacl`, `sigstore`) is imported where it is used.
"""
