"""Where two images differ, whoever made them: what is the same by its digest is neither fetched nor read."""
