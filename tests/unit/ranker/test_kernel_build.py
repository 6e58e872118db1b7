"""The compiled kernel: built where a compiler is, used where it is of these sources; it refuses what does not fit."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ranker.pipeline.kernel import build, calls, switch
from tests.support.paths import ROOT

needs_kernel = pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here")


@needs_kernel
def test_what_does_not_fit_is_refused_before_a_loop_runs() -> None:
    one, vectors = np.zeros(1, np.int32), np.zeros((4, 16), np.float32)
    for wrong in (
        lambda: calls.gather(vectors, one.astype(np.int64), np.zeros((1, 16), np.float32)),
        lambda: calls.gather(vectors, one, np.zeros((1, 15), np.float32)),
        lambda: calls.gather(vectors.T, one, np.zeros((1, 4), np.float32)),
        lambda: calls.merge([one + 9], [np.zeros(1, np.int64)], one, one, 1),
        lambda: calls.merge([one], [np.ones(1, np.int64)], one, one, 1),
        lambda: calls.find(np.zeros(1, np.int64), np.zeros(8, np.bool_), 60, np.zeros(1, np.int64), one),
    ):
        with pytest.raises(ValueError):
            wrong()


@needs_kernel
def test_it_is_a_small_file(tmp_path: Path) -> None:
    assert 10_000 < build.build(tmp_path).stat().st_size < 200_000
    assert [file.name for file in tmp_path.iterdir()] == [build.FILE]


def test_a_machine_without_a_compiler_is_told_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(build.BuildError, match=r"no (C compiler|Python\.h)"):
        build.build(tmp_path)
    said = io.StringIO()
    monkeypatch.setattr(build.sys, "stderr", said)
    build.main()
    assert said.getvalue().count("\n") == 1 and build.WITHOUT in said.getvalue()


def test_a_kernel_of_other_sources_is_not_used() -> None:
    code = "from ranker.pipeline.kernel import version; version.version = lambda: 1\n"
    code += "from ranker.pipeline.kernel import switch; switch.use(True); print(switch.IS_BUILT, switch.is_used())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
