"""Network access and written files of each command, traced with strace.

    python -m benchmarks run network_trace [--seconds 60] [--write]

Each command runs on phantoms with an empty home and an environment of four variables, so that no variable such as CI
switches the telemetry of packages off. Controls run the same commands in a program that imported a package before
Gadolin could switch its telemetry off. If the controls show no access, the trace proves nothing. Exits with 1 then, and
if a command showed unexpected access. Needs Linux, strace and the permission to trace.
"""

from __future__ import annotations

import argparse
import codecs
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import NamedTuple

import gadolin
from benchmarks.publish import markdown, publish

_OPENED = ("open", "openat", "creat")
_MADE = ("mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2", "link", "linkat", "symlink")
PLACES = (".cache/gadolin", ".config/gadolin", ".cache/matplotlib", ".config/matplotlib", ".cache/fontconfig")
"""Folders below the home that SECURITY.md lists as written to."""

_NAME_SERVICE = 53
_MAIN = "from gadolin.cli import main; main()"
_SMALL = ("--set", "epochs=1", "--set", "network.input_size=32", "--set", "optimizer.warmup_epochs=0")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)$")
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_TEXT = re.compile(r'"((?:\\.|[^"\\])*)"')
_QUESTION = re.compile(rb"^.{12}((?:[\x01-\x3f][\w-]+)+)\x00\x00[\x01\x1c]\x00\x01", re.DOTALL)
_LOCAL = re.compile(r"^(127\.|::1$|::ffff:127\.)")


class Seen(NamedTuple):
    """What a trace shows: steps of DNS look-ups, connections beyond loopback, files outside documented places."""

    look_ups: tuple[str, ...]
    connections: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether there was no network access and no unexpected file."""
        return not (self.look_ups or self.connections or self.files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of requests to each service")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        seen, controls = _measured(Path(folder).resolve(), arguments.seconds)
    blind = [name for name, each in controls.items() if each.nothing]
    proves = not blind and any(each.look_ups for each in controls.values())
    clean = all(each.nothing for each in seen.values())
    head = ["command", "steps of look-ups", "connections beyond loopback", "files at other paths", "which"]
    rows = [[f"`{name}`", *shown(each)] for name, each in seen.items()]
    rows += [[f"control: `{name}`", *shown(each)] for name, each in controls.items()]
    lines = [*markdown(head, rows), "", _MEANING.format(seconds=f"{arguments.seconds:g}")]
    if not proves:
        lines += ["", f"This proves nothing: the controls show nothing ({', '.join(blind) or 'no look-up'})."]
    publish("network-trace", "Network connections of each command", lines, write=arguments.write)
    sys.exit(0 if proves and clean else 1)


_MEANING = (
    "System calls of the command and all its children, recorded by strace. The commands ran on phantoms, with an "
    "empty home folder and the environment variables PATH, PYTHONPATH, HOME and PYTHONDONTWRITEBYTECODE alone; "
    "`serve` answered requests for {seconds} s. Steps of a look-up of a name: `/etc/resolv.conf` is opened, a name "
    "server is connected to, a query is sent. Files at other paths are those neither in the folder that the command "
    "was given nor in a place listed in SECURITY.md, and those left in the temporary folder. A control is the same "
    "command in a program that imported onnxruntime or openvino before Gadolin could switch its telemetry off: it "
    "tries to look up names, but no connection is made."
)


def command(*words: str, before: str = "") -> list[str]:
    """Return a command line of gadolin; the program imports the package ``before`` first, if there is one."""
    return [sys.executable, "-c", f"import {before}\n{_MAIN}" if before else _MAIN, *words]


def watch(root: Path, name: str, words: Sequence[str], *, cut_off: bool = False) -> Seen:
    """Run a command in ``root``/work under strace with an empty home; return its trace. Exits if it fails.

    With ``cut_off`` every connection fails: controls must not report to anybody.
    """
    with started(root, name, words, cut_off=cut_off) as (process, finish):
        errors = process.communicate()[1]
        if process.returncode:
            sys.exit(f"{name} failed, which proves nothing:\n{errors[-2000:]}")
        return finish()


def watch_service(root: Path, name: str, seconds: float, *, content: bytes, before: str = "") -> Seen:
    """Send requests to a service under strace for some seconds; return the trace of it and its decoders.

    With ``before`` the program imports that package first, and every connection fails.
    """
    words = command("serve", "--port", "0", "--no-browser", before=before)
    with started(root, name, words, cut_off=bool(before)) as (process, finish):
        assert process.stderr is not None, "stderr is a pipe"
        line = next((line for line in process.stderr if "answers at" in line), "")
        if not line:
            sys.exit("the service did not start, which proves nothing")
        port, end, answers = int(line.rsplit(":", 1)[1].strip("/ \n")), time.monotonic() + seconds, 0
        while time.monotonic() < end or not answers:
            with suppress(ConnectionError):  # it prints its address before it listens
                answers += ask(port, content)
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
        return finish()


def ask(port: int, content: bytes) -> bool:
    """Request page, model, a prediction and an explanation; return whether all statuses are 200."""
    head = b'--xx\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body = head + content + b"\r\n--xx--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=xx"}
    statuses = set()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for path, sent in (("/", None), ("/v1/model", None), ("/v1/predict", body), ("/v1/explain", body)):
        connection.request("POST" if sent else "GET", path, sent, kind if sent else {})
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    return statuses == {200}


@contextmanager
def started(
    root: Path, name: str, words: Sequence[str], *, cut_off: bool
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], Seen]]]:
    """Start a command under strace; yield its process and a function that reads the trace after its end."""
    home, work, trace = root / "homes" / name, root / "work", root / f"{name}.trace"
    home.mkdir(parents=True)
    work.mkdir(exist_ok=True)
    source = str(Path(gadolin.__file__).resolve().parents[1])
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}
    calls = ",".join(("network", *_OPENED, *_MADE))
    strace = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-s", "256", "-e", f"trace={calls}", "-o", str(trace)]
    strace += ["-e", "inject=connect:error=ENETUNREACH"] if cut_off else []
    with subprocess.Popen(
        [*strace, *words],
        cwd=work,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, lambda: read_trace(trace.read_text(errors="replace"), home=home, work=work)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def read_trace(text: str, *, home: Path, work: Path) -> Seen:
    """Return what the trace of a command shows; it ran in ``work`` with the home ``home``."""
    look_ups: list[str] = []
    connections: list[str] = []
    files: list[str] = []
    for name, call in calls_of(text):
        if name in (*_OPENED, *_MADE):
            path = made(name, call, work)
            if path == "/etc/resolv.conf":
                look_ups.append(path)
            elif path and (name not in _OPENED or _for_writing(name, call)) and is_unexpected(Path(path), home, work):
                files.append(path.replace(str(home), "~"))
        elif name in ("connect", "sendto", "sendmsg", "sendmmsg"):
            look_ups += questions(call)
            for port, address in _ADDRESS.findall(call):
                if int(port) == _NAME_SERVICE:
                    look_ups.append("a name server")
                elif not _LOCAL.match(address):
                    connections.append(f"{address}:{port}")
            look_ups += ["a name server"] if "systemd/resolve" in call else []
    return Seen(tuple(look_ups), tuple(connections), tuple(dict.fromkeys(files)))


def calls_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each call; calls that another thread interrupted are joined."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        process, resumed, rest = match.groups()
        call = begun.pop(process, "") + rest if resumed else rest
        if call.endswith("<unfinished ...>"):
            begun[process] = call.removesuffix("<unfinished ...>")
        else:
            yield call.partition("(")[0], call
    yield from ((call.partition("(")[0], call) for call in begun.values())


def questions(call: str) -> list[str]:
    """Return the host names in a message to a name server."""
    names = []
    for text in _TEXT.findall(call):
        content = codecs.escape_decode(text.encode("latin-1", "replace"))[0]  # type: ignore[attr-defined]
        match = _QUESTION.match(content)
        if match:
            names.append(re.sub(rb"[\x01-\x1f]", b".", match.group(1))[1:].decode("latin-1"))
    return names


def made(name: str, call: str, work: Path) -> str:
    """Return the absolute path that a call created or opened, "" if it failed."""
    if name in _OPENED:
        match = re.search(r" = \d+<(/[^<>]*)", call)
        return match.group(1) if match else ""
    texts = _TEXT.findall(call)
    if not texts or not call.rstrip().endswith("= 0"):
        return ""
    folders = re.findall(r"<(/[^<>]*)>, \"", call)
    return str(Path(folders[-1] if folders else work) / texts[-1])


def is_unexpected(path: Path, home: Path, work: Path) -> bool:
    """Return whether a written path is neither in the command's folder nor in a documented place."""
    if path.is_relative_to(home):
        places = [home / place for place in PLACES]
        return not any(path.is_relative_to(place) or place.is_relative_to(path) for place in places)
    if path.is_relative_to("/dev/shm") or (path.is_relative_to(gettempdir()) and not path.is_relative_to(work)):
        return os.path.lexists(path)  # temporary files that were deleted do not count
    return not (path.is_relative_to(work) or path.is_relative_to("/dev") or path.is_relative_to("/proc"))


def shown(seen: Seen) -> list[str]:
    """Return the cells of a row: the counts and the names; files in a created folder are shown as the folder."""
    folders = [path for path in seen.files if not any(path.startswith(f"{other}/") for other in seen.files)]
    which = ", ".join(f"`{name}`" for name in dict.fromkeys((*seen.look_ups, *seen.connections, *folders)))
    return [str(len(seen.look_ups)), str(len(seen.connections)), str(len(seen.files)), which]


def _for_writing(name: str, call: str) -> bool:
    return name == "creat" or any(flag in call for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"))


def _measured(root: Path, seconds: float) -> tuple[dict[str, Seen], dict[str, Seen]]:
    """Run every command and the controls; return the traces by command."""
    seen, controls = {}, {}
    for words in _COMMANDS:
        line = words.split()
        print(words, flush=True, file=sys.stderr)
        seen[words.replace(" ".join(_SMALL), "...")] = watch(root, f"command-{len(seen)}", command(*line))
    content = next((root / "work" / "data" / "Testing").rglob("*.png")).read_bytes()
    library = [sys.executable, "-c", _LIBRARY]
    seen["from Python: Predictor.load().predict"] = watch(root, "library", library)
    seen["serve"] = watch_service(root, "serve", seconds, content=content)
    for before, options in (("onnxruntime", ""), ("openvino", " --runtime openvino")):
        words = f"predict data/Testing{options}"
        controls[words] = watch(root, f"control-{before}", command(*words.split(), before=before), cut_off=True)
    controls["serve"] = watch_service(root, "control-serve", seconds, content=content, before="onnxruntime")
    return seen, controls


_LIBRARY = (
    "import gadolin, pathlib\n"
    "paths = sorted(pathlib.Path('data/Testing').rglob('*.png'))\n"
    "assert gadolin.Predictor.load().predict([gadolin.read(path) for path in paths])"
)
_COMMANDS = (
    "phantom data --patients 4 --slices 2 --size 96",
    "scan data",
    "audit data --report audit.html",
    "split data --folds 2 --out folds.csv",
    f"train data --out run {' '.join(_SMALL)}",
    f"train data --out again --seed 1 --weights shipped {' '.join(_SMALL)}",
    f"crossval folds.csv --out crossval {' '.join(_SMALL)}",
    "evaluate run data --out evaluation",
    "predict data/Testing",
    "predict data/Testing --runtime openvino",
    "explain data/Testing/glioma --method all --model run --samples 100 --out explanations",
    "score-explanations run data/manifest.csv --samples 100 --slices 2 --no-faithfulness --out scores",
    "compare run again",
    "info run",
)
