"""Rewriting: rules are data; the engine applies them to a graph until none fits any more."""
