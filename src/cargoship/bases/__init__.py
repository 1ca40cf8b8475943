"""What images stand on: the built-in base, nothing at all, or an image in a layout."""
