#!/usr/bin/env python3
"""Train the tiny family and write models/*.gguf with their cards.

    tools/train/run.py all [--nce build/tools/nce/nce] [--work DIR]       or some of: tiny tiny-draft tiny-moe ...

Needs Python with torch and gguf (docs/training.md) and the built nce command.  Every run has its own fixed seed; a run
that was stopped goes on from its last checkpoint in --work, a finished one is not repeated."""
import argparse
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # the trainer has its own two threads

import data
from family import FAMILY, N_VOCAB, VOCABULARY_SEED
from trainer import Run

ROOT = Path(__file__).resolve().parents[2]
N_ROW, N_BATCH = 256, 16


def train(name, vocabulary, work):
    model = FAMILY[name]
    rows, weights = data.training_rows(vocabulary, model.mix, model.n_tokens, N_ROW, model.seed)
    run = Run(name, model.shape, work, model.seed, model.n_steps, extra=model.extra)
    run.train(rows, weights, N_BATCH, model.seed, data.question_rows(vocabulary, 100, 1))
    return run


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("names", nargs="+", choices=["all", *FAMILY], metavar="NAME", help="all, or some of " + ", ".join(FAMILY))
    p.add_argument("--nce", default=ROOT / "build/tools/nce/nce", type=Path, help="the built command (build/tools/nce/nce)")
    p.add_argument("--work", default=ROOT / "build/train", type=Path, help="folder of checkpoints and token rows (build/train)")
    return p.parse_args()


def main():
    a = arguments()
    a.work.mkdir(parents=True, exist_ok=True)
    path = a.work / "vocabulary.gguf"
    if not path.exists():
        data.train_tokenizer(a.nce, a.work, path, N_VOCAB, VOCABULARY_SEED)
    vocabulary = data.Vocabulary(a.nce, path, a.work)
    for name in FAMILY if "all" in a.names else a.names:
        train(name, vocabulary, a.work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
