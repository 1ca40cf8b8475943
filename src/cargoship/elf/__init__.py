"""What a program needs to start, read from its ELF file, against what a base image has."""
