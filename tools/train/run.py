#!/usr/bin/env python3
"""Train the tiny family and write models/*.gguf with their cards.

    tools/train/run.py all [--nce build/tools/nce/nce] [--work build/train]       or some of: tiny tiny-draft tiny-moe ...

Needs Python with torch and gguf, and the built nce command (docs/training.md).  Every run has its own fixed seed; one that
was stopped goes on from its last checkpoint in --work, a finished one is not trained again."""
import argparse
import os
import random
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # the trainer has its own two threads

import cards
import data
import gguf_file
from family import ALL, FAMILY, N_VOCAB, VOCABULARY_SEED
from questions import question
from trainer import Run

ROOT = Path(__file__).resolve().parents[2]
STEP_TOKENS = 4096
QUESTION_SEED, N_QUESTIONS = 5, 50  # of each category


def train(name, vocabulary, work):
    m = FAMILY[name]
    parent = train(m.parent, vocabulary, work) if m.parent else None
    run = Run(name, m.shape, work, m.seed, m.n_steps, m.extra, parent and parent.model, m.rate)
    if run.step < run.n_steps:
        rows, weights = data.training_rows(vocabulary, m.mix, m.n_tokens, m.n_row, m.seed)
        run.train(rows, weights, STEP_TOKENS // m.n_row, m.seed, data.question_rows(vocabulary, 100, 1))
    run.all_seconds = run.log[-1]["cpu_seconds"] + (parent.all_seconds if parent else 0)
    return run


def held_out_questions(path):
    """[(category, question, answer)], also written to models/questions.tsv for the tests."""
    rng, found = random.Random(QUESTION_SEED), {}
    for category in ALL:
        drawn = {q[1]: q for q in (question(rng, True, category) for _ in range(4 * N_QUESTIONS))}
        found.update(list(drawn.items())[:N_QUESTIONS])
    path.write_text("".join("\t".join(q) + "\n" for q in found.values()), encoding="utf-8")
    return list(found.values())


def export(name, run, vocabulary, a):
    """The float master in the work folder, the shipped file and its card in the models folder."""
    m = FAMILY[name]
    master, path = a.work / f"{name}-f32.gguf", a.models / f"{name}.gguf"
    gguf_file.write(master, name, m.about, run.model, m.n_row, vocabulary.path)
    data.run(a.nce, "quantize", master, path, m.type_name, "--quiet", *m.quantize)
    tokens, ids = cards.held_out_tokens(vocabulary, m.mix if m.mix in ("arithmetic", "stories") else "all", a.work)
    files = {"nce": a.nce, "lib": a.library, "master": master, "path": path, "tokens": tokens, "ids": ids, "work": a.work,
             "tiny": a.models / "tiny.gguf"}
    cards.write(name, m, run, files, held_out_questions(a.models / "questions.tsv"), path.with_suffix(".md"))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("names", nargs="+", choices=["all", *FAMILY], metavar="NAME", help="all, or some of " + ", ".join(FAMILY))
    p.add_argument("--nce", default=ROOT / "build/tools/nce/nce", type=Path, help="the built command (build/tools/nce/nce)")
    p.add_argument("--library", type=Path, help="the built libnce.so (found from --nce)")
    p.add_argument("--work", default=ROOT / "build/train", type=Path, help="folder of checkpoints and token rows (build/train)")
    p.add_argument("--models", default=ROOT / "models", type=Path, help="folder of the results (models)")
    a = p.parse_args()
    a.library = a.library or a.nce.resolve().parents[2] / "libnce.so"
    return a


def main():
    a = arguments()
    a.work.mkdir(parents=True, exist_ok=True)
    path = a.work / "vocabulary.gguf"
    if not path.exists():
        data.train_tokenizer(a.nce, a.work, path, N_VOCAB, VOCABULARY_SEED)
    vocabulary = data.Vocabulary(a.nce, path, a.work)
    for name in FAMILY if "all" in a.names else a.names:
        run = train(name, vocabulary, a.work)
        if FAMILY[name].type_name:
            export(name, run, vocabulary, a)
    return 0


if __name__ == "__main__":
    sys.exit(main())
