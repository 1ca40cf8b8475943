"""What build scripts, procedural macros and what they start have read: seen while it happens, by a library in them.

It knows how reads are noted, and which of them say something of the outcome. It must not know cargo's build directory,
nor where units are kept.
"""
