"""Dagster, here and nowhere else (and in `definitions`, which assembles it): one noun a module.

What a step does, the folders below do; a module here says when, with which resources, and what Dagster shows of it.
"""
