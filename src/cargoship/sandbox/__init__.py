"""Starting an image's program in the image's own files, in a world of its own, without a container engine.

The one sandbox of cargoship: whatever starts a program of an image goes through `Sandbox`. `inside` is the program that
makes that world, on its own side of the door.
"""
