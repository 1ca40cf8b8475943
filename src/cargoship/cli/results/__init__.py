"""What commands leave when their work is done: on standard output, in files, and for collectors and CI hosts."""
