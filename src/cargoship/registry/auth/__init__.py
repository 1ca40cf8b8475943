"""Convincing a registry who asks: challenges, tokens, and where credentials come from and are kept.

It must not know images.
"""
