#!/usr/bin/env python3
"""Logits of tiny models, one or more for each family, against those of the families' published implementations.

    check.py NCE     the command to test

references/NAME.f32 holds what make_references.py got from the package transformers for the same weights: 16 tokens x 64
logits.  The relative L2 error of a model is at most 1e-6, in families with GELU (rounded to halves, so a last bit may become
a step) 5e-5; wrong formulas show as 1e-2 and more.  Every model is also quantized to Q8_0, and must then give the
same bits whatever the threads, the batch, the instruction set and the split over devices.
"""
import array
import math
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import tiny_models

LIMIT, LIMIT_GELU, LIMIT_Q8_0 = 5e-6, 2e-4, 0.1
GELU = ("falcon", "starcoder2", "gpt2", "phi2", "gemma2")
HERE = os.path.dirname(os.path.abspath(__file__))


def read_floats(path):
    data = array.array("f")
    with open(path, "rb") as f:
        data.frombytes(f.read())
    if sys.byteorder == "big":
        data.byteswap()
    return data


def logits(nce, gguf, folder, *options):
    tokens, out = os.path.join(folder, "tokens.txt"), os.path.join(folder, "logits.f32")
    with open(tokens, "w") as f:
        print(*tiny_models.TOKENS, file=f)
    subprocess.run([nce, "logits", gguf, "--tokens", tokens, "--out", out, "--kv", "f32", *options], check=True, stdout=subprocess.DEVNULL)
    return read_floats(out)


def distance(got, want):
    if len(got) != len(want):
        return math.inf
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(got, want)) / sum(b * b for b in want))


def typical(got, want):
    """The median of the positions' distances: a rounded router may send a token to another expert now and then."""
    n = tiny_models.VOCAB
    return sorted(distance(got[i:i + n], want[i:i + n]) for i in range(0, len(want), n))[len(want) // n // 2]


def check(nce, model, folder):
    """What is wrong, or None; and the errors."""
    gguf, small = os.path.join(folder, "model.gguf"), os.path.join(folder, "q8_0.gguf")
    want = read_floats(os.path.join(HERE, "references", model.name.split("+")[0] + ".f32"))
    model.write(gguf)
    error = distance(logits(nce, gguf, folder, "--threads", "1"), want)
    subprocess.run([nce, "quantize", gguf, small, "q8_0"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = logits(nce, small, folder, "--threads", "1")
    error_q = typical(base, want)
    wrong = None
    for options in (["--threads", "2"], ["--batch", "1", "--threads", "2"], ["--batch", "5"], ["--isa", "scalar"],
                    ["--device", "cpu,cpu", "--gpu-layers", "2"]):
        if logits(nce, small, folder, *options) != base:
            wrong = f"other bits with {' '.join(options)}"
    if not error <= (LIMIT_GELU if model.name.startswith(GELU) else LIMIT):  # so that NaN fails
        wrong = "far from the reference"
    if not error_q <= LIMIT_Q8_0:
        wrong = "Q8_0 far from the reference"
    return wrong, error, error_q


def main():
    failed = 0
    models = tiny_models.all_models()
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            wrong, error, error_q = check(sys.argv[1], model, folder)
        failed += wrong is not None
        print(f"{model.name:20} {error:.2e}  Q8_0 {error_q:.2e}  {wrong or 'ok'}")
    print(f"{len(models) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
