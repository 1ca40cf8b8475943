"""HTTP for everything that talks to a server: connections, requests as values, retries, limits, proxies, certificates.

It knows no registry, no archive and no cache: what an answer means is for its callers.
"""
