"""Facts of a Cargo project, cargo's command line and cargo's output. Knows nothing of images."""
