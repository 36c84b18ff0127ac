"""Measures what a generated service costs. See README.md."""
