"""Train once undisturbed and once while being killed; a program, so that pytest itself is not forked.

Usage: killed_run.py DATA FOLDER SEED. FOLDER/whole is the undisturbed run, FOLDER/killed the other; prints the stages
in which the process was killed, as JSON. Each training is a new process that SIGKILL ends at a random moment of a
stage; torch is imported once, before the processes are forked.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import traceback
from pathlib import Path

import torch
from torch import nn

from gadolin.networks import backbones
from gadolin.recipe import named_recipe, with_settings
from gadolin.training import fit as fitting
from gadolin.training import train as running
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan

EPOCHS = 12  # a few hundredths of a second each: a fast machine may finish several before the kill
STAGES = [  # stage, and the latest kill in seconds after its start
    ("preparing", 0.2),
    ("epoch", 0.02),
    ("checkpoint", 0.005),
    ("epoch", 0.02),
    ("checkpoint", 0.005),
    ("epoch", 0.02),
    ("export", 1.5),
    ("evaluation", 0.2),
    ("evaluation", 1.0),
]


class TinyBody(nn.Module):
    """Two convolutions and one batch norm."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=4, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, scaled):
        return [torch.relu(self.conv2(torch.relu(self.bn1(self.conv1(scaled)))))]


def plan_of(data, out, *, resume):
    settings = [f"epochs={EPOCHS}", "batch_size=8", "network.input_size=32", "network.evidence=map", "progressive=1"]
    recipe = with_settings(named_recipe("default"), [*settings, "network.mirror_average=false"])
    cache = out.with_name("cache")
    machine = Machine("cpu", "float32", 3)
    return Plan(data, out, recipe, machine=machine, validation=0.34, cache=cache, resume=resume)


def killing(wanted, seconds):
    """Return a stage callback that kills the process ``seconds`` after the wanted stage starts."""

    ending = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    ending.daemon = True

    def told(stage):
        if stage == wanted and not ending.ident:
            ending.start()

    return told


def telling(function, stage, told):
    def wrapped(*args, **kwargs):
        told(stage)
        return function(*args, **kwargs)

    return wrapped


def train(plan, told):
    """Train in this process and exit."""
    code = 1
    try:
        running.divide = telling(running.divide, "preparing", told)
        running.make_bundle = telling(running.make_bundle, "export", told)
        running.assess_model = telling(running.assess_model, "evaluation", told)
        fitting.save_checkpoint = telling(fitting.save_checkpoint, "checkpoint", told)

        def progress(done, total, what):
            if what.startswith("epoch"):
                told("epoch")

        running.train_model(plan, progress=progress)
        code = 0
    except BaseException:  # noqa: BLE001 -- any error of the child is printed and ends only the child
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run(data, out, wanted=None, seconds=0.0):
    """Train in a new process, resuming if possible; return its exit code, or minus the signal."""
    resume = out.is_dir() and any(out.iterdir())
    child = os.fork()
    if not child:
        train(plan_of(data, out, resume=resume), killing(wanted, seconds))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(data, folder, seed):
    torch.set_num_threads(1)
    backbones.BACKBONES.built_in["compact"] = backbones.Backbone(
        name="compact",
        build=lambda _side: TinyBody(),
        features=(8,) * 4,
        strides=backbones.DECODER_STRIDES,
        stages=("conv2",) * 4,
        mean=(0.2,),
        std=(0.2,),
        hub_name=None,
    )
    if run(data, folder / "whole"):
        raise SystemExit("the run that nobody disturbs must end well")
    chance = random.Random(seed)
    kills = []
    for stage, longest in STAGES:
        code = run(data, folder / "killed", stage, chance.uniform(0, longest))
        if code == -signal.SIGKILL:
            kills.append(stage)
        elif code:
            raise SystemExit(f"a run that goes on must end well, it ended with {code} after {kills}")
        else:
            break
    else:
        if run(data, folder / "killed"):
            raise SystemExit(f"the last run must end well, after {kills}")
    sys.stdout.write(json.dumps(kills) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
