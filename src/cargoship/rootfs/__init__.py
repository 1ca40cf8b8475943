"""The root file system that an image's layers make: read once from their archives, never unpacked to be looked at."""
