"""The sandbox's own program, from the machine's side to the image's: it makes the world and starts a program in it.

It is started as `python -I -S -c ... SPEC` and imports nothing but the standard library and itself.
"""
