"""Where two images differ, no matter who made them: what is the same by its digest is neither fetched nor read."""
