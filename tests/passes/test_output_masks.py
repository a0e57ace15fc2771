"""Masks from outputs: what the backward pass of relu reads."""

import graphc as gc
from graphc.passes.output_masks import OutputMasks
from tests.passes.before_after import check_text


def test_the_mask_is_taken_from_the_activation() -> None:
    x = gc.input("x", (300, 100))
    check_text(
        OutputMasks(),
        [x],
        [gc.relu(x), x > 0],
        """
        x : float32[300, 100] = input
        %1 : float32[300, 100] = relu(x)
        %2 : float32[] = constant(value=0.0)
        %3 : bool[300, 100] = greater(x, %2)
        return %1, %3
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300, 100] = relu(x)
        %2 : float32[] = constant(value=0.0)
        %3 : bool[300, 100] = greater(%1, %2)
        return %1, %3
        """,
    )


def test_a_mask_at_another_level_stays() -> None:
    x = gc.input("x", (300, 100))
    unchanged = """
        x : float32[300, 100] = input
        %1 : float32[300, 100] = relu(x)
        %2 : float32[] = constant(value=1.0)
        %3 : bool[300, 100] = greater(x, %2)
        return %1, %3
        """
    check_text(OutputMasks(), [x], [gc.relu(x), x > 1], unchanged, unchanged)
