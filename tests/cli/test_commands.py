"""The command on a user's own file: what it writes, what it prints, how it refuses."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from graphc.cli import main

ROOT = Path(__file__).resolve().parents[2]

NETWORK = """
import graphc as gc
import neighbour

x, w, b = (gc.input(name, (), "float64") for name in "xwb")
neuron = gc.sigmoid(w * x + b)
pair = {"y": neuron, "slope": gc.grad(neuron, w)}
function = gc.compile(neuron, [x, w, b])

batch = gc.input("batch", ("N", 3))
target = gc.input("target", ("N",), "int64")
vector = batch @ gc.parameter("weight", (3, 4), init=gc.init.glorot_uniform())
loss = gc.nn.cross_entropy(vector, target)

number = 3


def build():
    return neuron


def wants(size):
    return neuron


def breaks():
    return 1 // 0


if __name__ == "__main__":
    raise SystemExit("the guarded part ran")
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "network.py").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "neighbour.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return "network.py"


# -- what it does --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["neuron", "pair", "build", "loss"])
def test_draw_takes_every_kind_of_target(network: str, name: str) -> None:
    assert main(["draw", f"{network}:{name}"]) == 0
    assert "<svg" in Path(f"{name}.svg").read_text(encoding="utf-8")


def test_draw_backward_adds_to_the_picture(network: str) -> None:
    assert main(["draw", f"{network}:loss", "-o", "forward.dot"]) == 0
    assert main(["draw", f"{network}:loss", "--grad", "-o", "both.dot"]) == 0
    assert len(Path("both.dot").read_text()) > len(Path("forward.dot").read_text())
    assert "backward" in Path("both.dot").read_text()


def test_grad_prints_the_derivation(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad", f"{network}:neuron", "--wrt", "w"]) == 0
    text = capsys.readouterr().out
    assert text.strip()
    assert main(["grad", f"{network}:neuron", "--wrt", "w", "--latex"]) == 0
    latex = capsys.readouterr().out
    assert "\\" in latex
    assert latex != text


def test_grad_tells_every_step_and_writes_a_page(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["grad", f"{network}:loss", "--steps", "--check", "--html", "derivation.html"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "chain rule, " in printed and "raising to ops, " in printed
    assert all("(differs by " in line for line in printed.splitlines())
    page = Path("derivation.html").read_text(encoding="utf-8")
    assert page.count("<li>") == len(printed.splitlines())


def test_grad_compares(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = ["--at", "x=1", "--at", "w=0", "--at", "b=0"]
    assert main(["grad", f"{network}:neuron", "--wrt", "w,b", "--compare", *values]) == 0
    assert "engines agree on b, w" in capsys.readouterr().out


def test_grad_compares_at_drawn_values_of_symbolic_size(network: str) -> None:
    assert main(["grad", f"{network}:loss", "--compare"]) == 0


def test_grad_compares_tells_what_it_drew_and_starts_parameters_from_their_init(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grad", f"{network}:loss", "--compare", "--seed", "3"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("drawn from seed 3: ")
    assert all(told in last for told in ("N = 3", "batch (3, 3)", "target (3,)", "--at"))
    assert "weight" not in last
    values = ["--at", "x=1", "--at", "w=0", "--at", "b=0"]
    assert main(["grad", f"{network}:neuron", "--compare", *values]) == 0
    assert "drawn" not in capsys.readouterr().out


def test_grad_compares_at_the_values_of_the_seed(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    def differences(seed: str) -> str:
        assert main(["grad", f"{network}:neuron", "--compare", "--seed", seed]) == 0
        return capsys.readouterr().out.split("Sizes")[0]

    assert differences("1") == differences("1") != differences("2")


def test_grad_compares_into_a_page_and_a_picture(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad", f"{network}:neuron", "--compare", "--html", "report.html"]) == 0
    assert "central differences" in Path("report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out.splitlines()[-1] == "report.html"
    pytest.importorskip("matplotlib")
    assert main(["grad", f"{network}:neuron", "--compare", "--plot", "report.png"]) == 0
    assert Path("report.png").read_bytes().startswith(b"\x89PNG")


def test_compile_prints_source_that_python_accepts(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", f"{network}:neuron"]) == 0
    compile(capsys.readouterr().out, "<source>", "exec")


def test_compile_and_explain_by_measurement(
    network: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "cache"))
    declared = """
import graphc as gc

image, filters = gc.input("image", (8, 2, 8, 8)), gc.input("filters", (2, 2, 3, 3))
features = gc.nn.conv2d(image, filters)
"""
    Path("filtering.py").write_text(declared, encoding="utf-8")
    assert main(["compile", "filtering.py:features", "--tune"]) == 0
    assert "np.matmul" in capsys.readouterr().out
    assert list((tmp_path / "cache").rglob("*.json"))
    assert main(["explain", "filtering.py:features", "--tune"]) == 0
    assert "== measured: convolution of 8×2×8×8 with 2×2×3×3: " in capsys.readouterr().out
    assert main(["compile", f"{network}:function", "--tune"]) == 2
    assert "--tune comes too late" in capsys.readouterr().err


def test_compile_writes_a_standalone_file(network: str) -> None:
    assert main(["compile", f"{network}:loss", "-o", "alone.py"]) == 0
    assert Path("alone.py").is_file()
    assert Path("alone.npz").is_file()
    run = subprocess.run(
        [sys.executable, "-W", "error", "alone.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", ["pair", "function", "build"])
def test_explain(network: str, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["explain", f"{network}:{name}"]) == 0
    assert capsys.readouterr().out.strip()


# -- how it refuses ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["draw", "network.py"], "FILE:NAME"),
        (["draw", "absent.py:y"], "no file 'absent.py'"),
        (["draw", "network.py:absent"], "no name 'absent'; it has"),
        (["draw", "network.py:number"], "'number' in 'network.py' is a int"),
        (["draw", "network.py:function"], "keeps no tensors"),
        (["draw", "network.py:wants"], "takes arguments (size)"),
        (["draw", "network.py:neuron", "-o", "picture.bmp"], "picture.bmp"),
        (["grad", "network.py:vector"], "has shape (N, 4)"),
        (["grad", "network.py:neuron", "--wrt", "q"], "no input or parameter 'q'; there are"),
        (["grad", "network.py:neuron", "--compare", "--at", "x:1"], "not NAME=VALUE"),
        (["grad", "network.py:neuron", "--plot", "p.png"], "--plot is of use with --compare alone"),
        (["grad", "network.py:neuron", "--compare", "--at", "x=open"], "no number"),
    ],
)
def test_mistakes_are_told_without_traceback(
    network: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:")
    assert said in error
    assert "Traceback" not in error


def test_an_error_in_the_users_graph_shows_the_users_line(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.py").write_text(
        "import graphc as gc\ny = gc.input('x', (3,)) @ gc.input('y', (4,))\n", encoding="utf-8"
    )
    assert main(["draw", "wrong.py:y"]) == 2
    error = capsys.readouterr().err
    assert "wrong.py:2" in error
    assert "remedy" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("name", ["breaks", "neuron"])
def test_a_failing_file_shows_its_own_frames_alone(
    network: str, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if name == "neuron":
        Path(network).write_text("def f():\n    return 1 // 0\nf()\n", encoding="utf-8")
    assert main(["draw", f"{network}:{name}"]) == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error
    assert "return 1 // 0" in error
    assert "runpy" not in error
    assert "target.py" not in error


def test_a_file_that_does_not_parse(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.py").write_text("def (:\n", encoding="utf-8")
    assert main(["draw", "broken.py:y"]) == 1
    assert "SyntaxError" in capsys.readouterr().err


def test_markup_in_names_is_text(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "network.py:[bold]x[/bold]"]) == 2
    assert "[bold]x[/bold]" in capsys.readouterr().err


def test_interrupt(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(network).write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    assert main(["draw", f"{network}:x"]) == 130


def test_the_import_path_is_as_it_was(network: str) -> None:
    before = list(sys.path)
    assert main(["explain", f"{network}:neuron"]) == 0
    assert sys.path == before


# -- as a process --------------------------------------------------------------------------------------
def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "graphc", *words], capture_output=True, text=True, check=False
    )


def test_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = run("--version")
    assert found.stdout.strip() == f"graphc {project['project']['version']}"


def test_no_command_shows_usage() -> None:
    found = run()
    assert found.returncode == 2
    assert "usage: graphc" in found.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell pipe")
def test_a_reader_that_goes_away_is_no_error(network: str) -> None:
    target = shlex.quote(f"{Path(network).resolve()}:loss")
    found = subprocess.run(
        f"{shlex.quote(sys.executable)} -m graphc compile {target} | true",
        shell=True, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stderr == ""


# -- the demo --------------------------------------------------------------------------------------------
def test_demo_of_few_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is there and the standalone file runs; that the whole reaches 97 % is in test_demo.py."""
    out = tmp_path / "results"
    assert main(["demo", "--out", str(out), "--epochs", "2", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert len(told.strip().splitlines()) == 1
    assert "gradients agree" in told
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") > 5
    assert not any(marker in page for marker in ('src="http', 'href="http', "$facts", "@import"))
    assert (out / "graph.png").read_bytes().startswith(b"\x89PNG")
    run_alone = subprocess.run(
        [sys.executable, "-W", "error", "step.py"], cwd=out, capture_output=True, text=True, check=False
    )
    assert run_alone.returncode == 0, run_alone.stderr
    with np.load(out / "step.npz", allow_pickle=False) as stored:
        assert all(
            math.isfinite(float(np.sum(stored[name], dtype=np.float64)))
            for name in stored.files
            if stored[name].dtype.kind == "f"
        )


def test_demo_refuses_no_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path), "--epochs", "0"]) == 2
    assert "--epochs is 0" in capsys.readouterr().err
