"""The record of a build: when each unit was compiled and why, what the images are, where they went.

Every build leaves one in the target folder, and these modules write, read and reckon with them. What is shown of them
is a matter of `cli/`.
"""
