"""Tools and libraries that build scripts want: which crates want which, whether they are here, and what brings them.

One table (`table`) serves both what is said before a build (`wanted`, `present`) and what a failed one said (`words`).
"""
