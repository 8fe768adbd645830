"""Predictors in other processes: only path and digest are pickled, and no forked child waits for missing threads."""

from __future__ import annotations

import ast
import os
import pickle
import pickletools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gadolin
from gadolin.errors import BundleError, RequestError
from gadolin.models.model_path import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import RUNTIMES, open_runtime

pytestmark = pytest.mark.slow

SECONDS = 120  # guards against a child that hangs
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

WORK = """
import multiprocessing, os, signal, sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import numpy as np
from gadolin.models.predictor import Predictor

ARRAY = (np.arange(64 * 64) % 251).reshape(64, 64).astype(np.uint8)
SHARED = None

def answer(predictor, array):
    return predictor.predict(array).probabilities

def shared(array):
    return SHARED.predict(array).probabilities
"""


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


def outcome(tmp_path, bundle, code):
    """Return a function that runs code in a new interpreter with a used predictor and returns the output."""
    script = tmp_path / "work.py"
    load = "    SHARED = predictor = Predictor.load(sys.argv[1], runtime=sys.argv[2], threads=2)\n"
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    script.write_text(f'{WORK}\nif __name__ == "__main__":\n{load}    wanted = answer(predictor, ARRAY)\n{body}')

    def run(runtime="onnxruntime"):
        done = subprocess.run(
            [sys.executable, str(script), str(bundle.folder), runtime],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"},  # the telemetry thread does not exist in a fork either
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_only_place_digest_runtime_and_threads_travel(bundle):
    sent = pickle.dumps(Predictor.load(bundle.folder, threads=2))
    words = [one for _, one, _ in pickletools.genops(sent) if isinstance(one, str)]
    assert words == ["gadolin.models.predictor", "_loaded", str(bundle.folder), bundle.digest, "onnxruntime"]
    assert len(sent) < 500


def test_the_model_of_the_package_travels_without_a_place():
    assert str(SHIPPED).encode() not in pickle.dumps(Predictor.load(threads=1))


def test_what_comes_back_answers_alike(bundle, lit_quadrant):
    predictor = Predictor.load(bundle.folder, threads=1)
    again = pickle.loads(pickle.dumps(predictor))
    assert again.bundle == bundle
    assert again.predict(lit_quadrant(2)) == predictor.predict(lit_quadrant(2))


def test_the_place_is_absolute(bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(bundle.folder.parent)
    sent = pickle.dumps(Predictor.load(bundle.folder.name, threads=1))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(sent).bundle.digest == bundle.digest


def test_a_model_that_has_changed_on_the_way_is_refused(make_bundle):
    bundle = make_bundle()
    sent = pickle.dumps(Predictor.load(bundle.folder, threads=1))
    make_bundle(bundle.folder, temperature=2.0)
    with pytest.raises(BundleError) as caught:
        pickle.loads(sent)
    assert caught.value.code == "bundle_changed"


def test_a_bundle_changed_in_memory_alone_is_refused_where_it_arrives(bundle):
    changed = Predictor(replace(bundle, temperature=2.0), open_runtime(bundle.graph, threads=1))
    with pytest.raises(BundleError) as caught:
        pickle.loads(pickle.dumps(changed))
    assert caught.value.code == "bundle_changed"


def test_a_runtime_of_ones_own_cannot_travel(bundle):
    with pytest.raises(RequestError) as caught:
        pickle.dumps(Predictor(bundle, lambda prepared: None))
    assert caught.value.code == "predictor_cannot_travel"


def test_a_session_that_was_left_behind_is_opened_again_and_its_graph_is_checked(make_bundle, lit_quadrant):
    bundle = make_bundle()
    predictor = Predictor.load(bundle.folder, threads=1)
    before = predictor.predict(lit_quadrant(1))
    predictor._runtime.leave_behind()  # as happens in a forked process
    assert predictor.predict(lit_quadrant(1)) == before
    predictor._runtime.leave_behind()
    bundle.graph.write_bytes(bundle.graph.read_bytes() + b"x")
    with pytest.raises(BundleError) as caught:
        predictor.predict(lit_quadrant(1))
    assert caught.value.code == "bundle_changed"


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_pools_of_workers_answer_alike(how, bundle, tmp_path):
    if how == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    run = outcome(
        tmp_path,
        bundle,
        f"""
context = multiprocessing.get_context("{how}")
with context.Pool(2) as pool:
    print(pool.map(partial(answer, predictor), [ARRAY] * 3) == [wanted] * 3)
with ProcessPoolExecutor(1, mp_context=context) as pool:
    print(list(pool.map(partial(answer, predictor), [ARRAY])) == [wanted])
""",
    )
    assert run() == "True\nTrue"


@FORKS
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_forked_worker_answers_with_the_predictor_that_it_inherited(runtime, bundle, tmp_path):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    run = outcome(
        tmp_path,
        bundle,
        """
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(shared, [ARRAY] * 3) == [wanted] * 3)
""",
    )
    assert run(runtime) == "True"


@FORKS
@pytest.mark.parametrize("use", ["predictor.predict(ARRAY)", "pass"], ids=["used", "not used"])
def test_a_forked_process_ends_whether_it_used_the_predictor_or_not(use, bundle, tmp_path):
    """A process that destroys an inherited session waits forever for threads that do not exist in it."""
    run = outcome(
        tmp_path,
        bundle,
        f"""
child = os.fork()
if not child:
    signal.alarm(60)
    {use}
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
    )
    assert run() == "7"


def test_joblib_workers_answer_alike(bundle, tmp_path):
    pytest.importorskip("joblib")
    run = outcome(
        tmp_path,
        bundle,
        """
import joblib
found = joblib.Parallel(2)(joblib.delayed(predictor.predict)(ARRAY) for _ in range(2))
print([one.probabilities for one in found] == [wanted] * 2)
""",
    )
    assert run() == "True"


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "pandas"}


def test_no_pickle_file_is_ever_read_or_written():
    """Neither with a pickling package nor through numpy or torch."""
    wrong = []
    for path in sorted(Path(gadolin.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [(path.name, name) for name in names if name.partition(".")[0] in PICKLES]
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {each.arg: ast.unparse(each.value) for each in node.keywords}
                numpys = called in ("np.load", "np.save", "np.lib.format.read_array")
                wrong += [(path.name, called)] if numpys and given.get("allow_pickle") != "False" else []
                tensors_only = path.name == "imagenet.py" and given.get("weights_only") == "True"  # the one exception
                wrong += [(path.name, called)] if called in ("torch.load", "torch.save") and not tensors_only else []
    assert wrong == []
