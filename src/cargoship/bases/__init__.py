"""What images stand on: the built-in base, nothing at all, an image in a layout, or one in a registry."""
