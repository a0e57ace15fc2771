"""Broadcasts: functions of broadcast values become broadcast functions."""

import graphc as gc
from graphc.passes.broadcasts import Broadcasts
from tests.passes.before_after import check_text


def test_a_function_of_a_broadcast_is_computed_once() -> None:
    r = gc.input("r", (100,))
    check_text(
        Broadcasts(),
        [r],
        [gc.exp(gc.broadcast_to(r, (300, 100)))],
        """
        r : float32[100] = input
        %1 : float32[300, 100] = broadcast_to(r, shape=(300, 100))
        %2 : float32[300, 100] = exp(%1)
        return %2
        """,
        """
        r : float32[100] = input
        %1 : float32[100] = exp(r)
        %2 : float32[300, 100] = broadcast_to(%1, shape=(300, 100))
        return %2
        """,
    )


def test_an_operand_that_the_op_broadcasts_itself_needs_no_node() -> None:
    x = gc.input("x", (300, 100))
    r = gc.input("r", (100,))
    check_text(
        Broadcasts(),
        [x, r],
        [x * gc.broadcast_to(r, (300, 100))],
        """
        x : float32[300, 100] = input
        r : float32[100] = input
        %2 : float32[300, 100] = broadcast_to(r, shape=(300, 100))
        %3 : float32[300, 100] = multiply(x, %2)
        return %3
        """,
        """
        x : float32[300, 100] = input
        r : float32[100] = input
        %2 : float32[300, 100] = multiply(x, r)
        return %2
        """,
    )
