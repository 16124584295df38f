"""The commands of nce that bench/types and bench/compare measure with."""
import json, subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Failed(Exception):
    """A command ended with an error; the text says which and why."""


def run(command, wrap=()):
    """What a command prints."""
    done = subprocess.run([*wrap, *map(str, command)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def synth(o, name, model):
    """A model of random weights of the shape and type asked for."""
    run([o.nce, "synth", model, "--shape", o.shape, "--type", name, "--quiet"])


def bench(o, model, threads):
    """(prefill, decode) of one process, as `nce bench --json` gives them."""
    return json.loads(run([o.nce, "bench", model, *sizes(o), "-t", threads, "--json"], o.wrap))["results"]


def sizes(o):
    return ["-p", o.prompt, "-n", o.generate, "-r", o.repeats]


def add_options(a):
    a.add_argument("--nce", default=ROOT / "build/gcc/tools/nce/nce", type=lambda p: Path(p).resolve())
    a.add_argument("--shape", default="tinyllama-1.1b")
    a.add_argument("--wrap", default=[], type=str.split, help="a command to run each measurement under")
    a.add_argument("-p", dest="prompt", type=int, default=512)
    a.add_argument("-n", dest="generate", type=int, default=32)
    a.add_argument("-r", dest="repeats", type=int, default=3)
