"""What images stand on: the built-in base, nothing, packages of a distribution, an image in a layout or a registry."""
