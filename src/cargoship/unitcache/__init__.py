"""Compiled units kept between builds: each found by what it is made of, put where cargo looks, and judged by cargo."""
