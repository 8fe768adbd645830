"""Read files on the page in Firefox: ``in_firefox.py FIREFOX ADDRESS FILE ...`` prints what the page shows as JSON.

A process of its own, because Mozilla's driver leaves sockets open.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from marionette_driver import Wait
from marionette_driver.marionette import Marionette

SECONDS = 60
INK = """
    const canvas = document.getElementById("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data).size;
"""


def main(firefox: str, address: str, *files: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = Path(tempfile.mkdtemp()) / "firefox.log"  # an existing file would be removed, even /dev/null
    driver = Marionette(bin=firefox, headless=True, port=port, startup_timeout=SECONDS, gecko_log=str(log))
    driver.start_session()
    try:
        wait = Wait(driver, timeout=SECONDS)
        driver.navigate(address)
        wait.until(lambda page: page.execute_script("return document.body.dataset.model"))
        driver.execute_script("document.getElementById('file-input').hidden = false")  # else no one can type into it
        driver.find_element("id", "file-input").send_keys("\n".join(files))
        wait.until(lambda page: page.execute_script("return document.querySelectorAll('.bar').length"))
        tones = wait.until(lambda page: (count := page.execute_script(INK)) > 16 and count)
        text = {name: driver.find_element("id", name).text for name in ("verdict", "place")}
        bars = len(driver.find_elements("css selector", ".bar"))
        sys.stdout.write(json.dumps({"tones": tones, "bars": bars, **text}))
    finally:
        driver.quit()
        driver.cleanup()
        shutil.rmtree(log.parent)


main(*sys.argv[1:])
