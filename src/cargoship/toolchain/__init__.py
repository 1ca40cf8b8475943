"""The Rust and Zig toolchain: find it, check it, and make what a target lacks. It knows nothing of images."""
