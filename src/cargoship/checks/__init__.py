"""Whether an image can start: its program, loader, libraries, user and files, held against its root file system."""
