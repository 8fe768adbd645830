"""The page in Firefox, which playwright cannot drive as distributions package it: Mozilla's own driver does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.phantoms import draw_patient

pytest.importorskip("marionette_driver", reason="it drives Firefox")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")


@pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox on this computer")
def test_files_are_predicted_and_shown(address, tmp_path):
    paths = []
    for number, one in enumerate(draw_patient("glioma", 1, slices=3, size=96)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(one.pixels.astype(np.uint8)).save(paths[-1])

    script = Path(__file__).with_name("in_firefox.py")
    ended = subprocess.run([sys.executable, script, FIREFOX, address, *paths], capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["bars"] == 4
    assert told["verdict"]
    assert told["place"] == "1 of 3"
