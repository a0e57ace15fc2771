"""Regions over a parallel axis: steps that can be computed for a few rows at a time, all of them together."""
