"""Runs `ivbench` in forked processes and kills them with SIGKILL at random moments. Run as a script by test_crashes.

The script imports everything once; a fork then starts at once, so that kills land in the work and not in imports.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ivbench.cli.main import main
from ivbench.results.store import Store

WHOLE = ["score", "--suite", "suite.yaml", "--no-timing", "--out", "out"]
COMMANDS = [
    ["sample", "--suite", "suite.yaml"],
    WHOLE,
    ["report", "out", "--no-open"],
]


def preload() -> None:
    """What a run imports late."""
    import open_clip  # noqa: F401
    import torch
    import vl_convert  # noqa: F401

    import ivbench.extractors.torch_clip
    import ivbench.extractors.torch_frame_probe
    import ivbench.extractors.torch_video_probe
    import ivbench.report
    import ivbench.run
    import ivbench.text.torch_t5  # noqa: F401

    torch.set_num_threads(1)


def fork(arguments: list[str]) -> int:
    """Start a command in a process of its own; its output goes to log.txt."""
    child = os.fork()
    if child:
        return child
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 99
    try:
        code = main(arguments)
    finally:
        os._exit(code)


def wait(child: int) -> int:
    """Its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole_entries(store: Path) -> dict[str, int]:
    """Entries that are whole now, and the inodes of their arrays: a new inode is a new computation."""
    opened = Store(store, on_problem=lambda line: None)
    return {key: (store / key[:2] / f"{key}.safetensors").stat().st_ino for key in opened.ids() if opened.has(key)}


def finished(commands: list[list[str]]) -> list[int]:
    return [wait(fork(command)) for command in commands]


def timed(command: list[str]) -> tuple[int, float]:
    """Its exit code and seconds."""
    started = time.perf_counter()
    return wait(fork(command)), time.perf_counter() - started


def torment(kills: int, seed: int) -> dict[str, Any]:
    """Kill commands until so many died; what was whole before a kill must never be computed again."""
    rng, store = random.Random(seed), Path("store")
    (scored, of_score), (reported, of_report) = timed(WHOLE), timed(COMMANDS[2])
    codes, longest = [scored, reported], [of_score / 4, of_score / 4, of_report]
    shutil.move("out", "clean")
    shutil.rmtree(store)
    killed, by_command, redone, restarts = 0, [0, 0, 0], 0, 0
    kept: dict[str, int] = {}
    while killed < kills:
        place = rng.randrange(2) if killed < kills - kills // 5 else 2
        if place == 2 and not (Path("out") / "results.json").is_file():
            codes += finished([WHOLE])
        child = fork(COMMANDS[place])
        time.sleep(rng.uniform(0.0, longest[place]))
        os.kill(child, signal.SIGKILL)
        code = wait(child)
        now = whole_entries(store)
        redone += sum(now.get(key) != inode for key, inode in kept.items())
        kept = now
        if code == -signal.SIGKILL:
            killed += 1
            by_command[place] += 1
        elif place == 1 and not code:  # all was finished: begin anew, or the rest would kill nothing
            restarts += 1
            shutil.rmtree(store)
            kept = {}
    last = finished([WHOLE, COMMANDS[2]])
    now = whole_entries(store)
    redone += sum(now.get(key) != inode for key, inode in kept.items())
    return {"codes": codes + last, "killed": killed, "by_command": by_command, "redone": redone, "restarts": restarts}


if __name__ == "__main__":
    preload()
    print(json.dumps(torment(int(sys.argv[1]), int(sys.argv[2]))))
