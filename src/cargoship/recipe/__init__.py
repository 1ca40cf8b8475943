"""Recipes: a workspace's dependencies without its code, and cooking them. Compatible with cargo-chef 0.1.77 both ways.

Knows Cargo's manifests and build directories; knows nothing of images, compilers for targets, or the network.
"""
