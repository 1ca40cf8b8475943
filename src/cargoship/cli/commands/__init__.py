"""The commands, one module each and called like it: what each takes, and what it does with that. `table` finds them."""
