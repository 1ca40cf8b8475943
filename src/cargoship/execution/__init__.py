"""Compiling on other machines: which calls of rustc can go to a cluster, what they need there, and what comes back."""
