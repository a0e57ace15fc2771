"""The command ``graphc``: arguments enter; pictures, derivatives, source and a trained demo leave."""

from graphc.cli.arguments import main

__all__ = ["main"]
