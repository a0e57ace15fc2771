"""The training loop with a compiled step: dropout, Adam, and a run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PROGRAM = """
import sys
import graphc as gc

x = gc.input("x", ("N", 64))
label = gc.input("label", ("N",), "int64")
model = gc.nn.Sequential(
    gc.nn.Dense(64, 32, activation="relu"), gc.nn.BatchNorm(32), gc.nn.Dropout(0.5), gc.nn.Dense(32, 10)
)
loss = gc.nn.cross_entropy(model(x, training=True), label)
step = gc.compile(loss, [x, label], updates=gc.optim.Adam(0.01).updates(loss, gc.parameters(loss)), seed=4)
checkpoint = sys.argv[1] or None
say = lambda record, history: print(int(record["epoch"]), flush=True)
history = gc.fit(
    step, gc.datasets.digits(flat=True).train, epochs=int(sys.argv[3]), batch_size=100, seed=2,
    checkpoint=checkpoint, callbacks=[say],
)
import numpy as np
np.savez(sys.argv[2], *[a for _, a in sorted(step.params.items())], loss=history.epochs["loss"])
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_and_resumed_ends_bitwise_the_same(tmp_path: Path) -> None:
    whole, resumed, checkpoint = (str(tmp_path / n) for n in ("whole.npz", "resumed.npz", "c.npz"))
    with start("", whole, "12") as run:
        run.communicate(timeout=300)
    assert run.returncode == 0

    with start(checkpoint, resumed, "12") as run:
        assert run.stdout is not None
        while run.stdout.readline().strip() != "4":
            pass
        time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert not Path(resumed).exists()

    with start(checkpoint, resumed, "12") as run:
        told, _ = run.communicate(timeout=300)
    assert run.returncode == 0
    assert int(told.split()[0]) >= 5, "it went on where it was, not from the start"
    with np.load(whole) as expected, np.load(resumed) as found:
        assert expected.files == found.files
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name])
