"""Becomes app/shop of a rendered project: tasks that an operator would look at."""
