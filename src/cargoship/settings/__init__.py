"""The settings of an image: one typed model, where its values come from, and what is generated from it."""
