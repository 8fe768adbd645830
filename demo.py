"""The tour of Gadolin: data, training, evaluation, prediction, explanation, each a command that you could have typed.

    python demo.py                     on phantoms: synthetic slices, drawn on the spot
    python demo.py --data path/to/mri  on your own folder of slices

Everything is written below ``demo`` (or ``--out``); an earlier demo there is replaced, anything else is left alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

MARKER = ".gadolin-demo"
INPUT_SIZE = 96  # pixels a side: small enough for a laptop
TRAINING_SLICES = 25_000  # over all epochs, so that larger data gets fewer; every slice is used at least once
MOST_EPOCHS = 30
PATIENTS = 40  # synthetic ones, of each class
FAULTY = 12  # in the data with faults
FAULTS = ("copies", "mirrors")
SHOWN = 6  # predictions of your own slices
EXPLAINED_WITH = 200  # samples of LIME and SHAP
SCORED, SCORED_SLICES = "evidence,gradcam,lime,centre", 12


def main() -> None:
    """Run the tour."""
    parser = argparse.ArgumentParser(description="The tour of Gadolin.")
    parser.add_argument("--data", type=Path, help="a folder of slices by class, or a manifest; without it, phantoms")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to (default: demo)")
    parser.add_argument("--epochs", type=int, help="epochs to train (default: as many as the time allows)")
    chosen = parser.parse_args()
    started = time.perf_counter()
    claim(chosen.out, chosen.data)
    tour = on_phantoms if chosen.data is None else on_data
    report = tour(chosen.out, data=chosen.data or chosen.out / "phantoms", epochs=chosen.epochs)
    say(f"\nDone in {time.perf_counter() - started:.0f} seconds. The report, to open in a browser:\n{report.resolve()}")


def claim(out: Path, data: Path | None = None) -> None:
    """Make ``out`` a fresh demo folder; replaces an earlier demo, and refuses to touch anything else."""
    inside = data is not None and data.resolve().is_relative_to(out.resolve())
    empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if inside or out.is_symlink() or not (empty or (out / MARKER).is_file()):
        why = f"holds the data, {data}" if inside else "holds something that is no earlier demo"
        sys.stderr.write(f"demo: {out} {why}; choose another folder with --out (make demo OUT=folder)\n")
        sys.exit(2)
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).write_text("Made by demo.py, which replaces this folder when it runs again.\n")


def on_phantoms(out: Path, *, data: Path, epochs: int | None) -> Path:
    """Audit phantoms with planted faults, train on others, evaluate on new synthetic patients, predict and explain."""
    run, fresh, faulty = out / "run", out / "fresh", out / "faulty"
    gadolin("phantom", faulty, "--patients", FAULTY, *(f"--fault={name}" for name in FAULTS))
    gadolin("audit", faulty, "--report", out / "audit.html", "--cache", out / "cache")
    gadolin("phantom", data, "--patients", PATIENTS)
    train(data, run, "--cache", out / "cache", epochs=epochs)
    gadolin("phantom", fresh, "--seed", 1)
    gadolin("evaluate", run, fresh, "--cache", out / "cache")
    gadolin("predict", data / "Testing" / "glioma", "--model", run)
    explained = sorted((data / "Testing" / "glioma").glob("*.png"))[:1]
    samples = ("--samples", EXPLAINED_WITH)
    gadolin("explain", *explained, "--model", run, "--method", "all", *samples, "--out", out / "explanations")
    gadolin("score-explanations", run, fresh / "manifest.csv", "--methods", SCORED, "--slices", SCORED_SLICES, *samples)
    gadolin("info", run)
    return run / "evaluation-fresh" / "report.html"


def on_data(out: Path, *, data: Path, epochs: int | None) -> Path:
    """Audit a user's data and train on it; its test part is read once, by the training itself; returns the report."""
    run = out / "run"
    gadolin("audit", data, "--report", out / "audit.html", "--cache", out / "cache")
    train(data, run, "--cache", out / "cache", "--skip-unreadable", epochs=epochs)
    with (run / "manifest.csv").open(newline="", encoding="utf-8") as file:
        tested = [row["path"] for row in csv.DictReader(file) if row["split"] == "test"]
    gadolin("predict", *(run / path for path in tested[:: max(1, len(tested) // SHOWN)][:SHOWN]), "--model", run)
    gadolin("info", run)
    return run / "evaluation" / "report.html"


def train(data: Path, run: Path, *options: object, epochs: int | None) -> None:
    """Show what is in ``data`` and train on it, for as many epochs as fit unless ``epochs`` says how many."""
    gadolin("scan", data)
    found = json.loads(gadolin("scan", data, "--json", quiet=True))
    learned = sum(found["parts"].get("train", {}).values()) or found["slices"]
    epochs = epochs or fitting_epochs(learned)
    say(f"\n{epochs} epochs of {learned:,} slices; the demo stops at {TRAINING_SLICES:,} in all or after one epoch.")
    settings = (f"epochs={epochs}", f"network.input_size={INPUT_SIZE}", "optimizer.warmup_epochs=1")
    gadolin("train", data, "--out", run, *(part for one in settings for part in ("--set", one)), *options)


def fitting_epochs(slices: int) -> int:
    """Return how many epochs of ``slices`` fit in TRAINING_SLICES, at least one and at most MOST_EPOCHS."""
    return max(1, min(MOST_EPOCHS, TRAINING_SLICES // slices))


def gadolin(*arguments: object, quiet: bool = False) -> str:
    """Run a command, printed as it could be typed, and stop the demo if it fails; ``quiet`` returns its output."""
    words = [str(argument) for argument in arguments]
    if not quiet:
        say(f"\n$ gadolin {shlex.join(words)}")
    done = subprocess.run([sys.executable, "-m", "gadolin", *words], stdout=subprocess.PIPE if quiet else None)
    if done.returncode:
        sys.stderr.write(f"demo: gadolin {words[0]} ended with {done.returncode}; the demo stops here\n")
        sys.exit(max(1, done.returncode))
    return done.stdout.decode() if quiet else ""


def say(text: str) -> None:
    """Print at once, so that it stands before what the next command prints."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
