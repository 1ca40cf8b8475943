"""The record of a build as a page: one file of HTML that fetches nothing."""
