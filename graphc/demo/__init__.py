"""The demo, written as a user would write it: nothing enters, a trained network and a page leave."""

from graphc.demo.run import run

__all__ = ["run"]
