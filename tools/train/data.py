"""Token rows for training: documents of the corpus, cut by the project's own tokenizer and packed into rows."""
import itertools
import random
import subprocess

import numpy as np
import torch

from corpus import END, SPECIAL, documents, turn
from questions import CATEGORIES, question

PROMPT_WEIGHT = 0.1  # of the loss on what the user says; the answers count 1


def run(nce, *args):
    done = subprocess.run([str(nce), *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"nce {args[0]}: {done.stderr.strip()}")
    return done.stdout


def train_tokenizer(nce, work, out, n_tokens, seed):
    """A vocabulary from documents of the corpus, without the control tokens."""
    text = "".join(itertools.islice(documents(seed), 20000))
    for token in SPECIAL:
        text = text.replace(token, "")
    source = work / "vocabulary.txt"
    source.write_text(text, encoding="utf-8")
    run(nce, "train-tokenizer", "--vocab", n_tokens, "--in", source, "--split", "qwen2", "--special", ",".join(SPECIAL),
        "--out", out, "--quiet")


def token_ids(nce, vocabulary, work, text):
    source = work / "text.txt"
    source.write_text(text, encoding="utf-8")
    ids = np.array(run(nce, "tokenize", vocabulary, "--special", "--file", source).split(), dtype=np.int32)
    source.unlink()
    return ids


def rows_of(docs, n_row, end):
    """Pack documents into rows of n_row + 1 ids: the oldest waiting one, then of 64 always the longest that fits."""
    rows, waiting, docs = [], [], iter(docs)
    while waiting := waiting + list(itertools.islice(docs, 64 - len(waiting))):
        row = waiting.pop(0)[:n_row + 1]
        while True:
            room = n_row + 1 - len(row)
            best = max((d for d in waiting if len(d) <= room), key=len, default=None)
            if best is None:
                break
            waiting.remove(best)
            row = row + best
        rows.append(row + [end] * (n_row + 1 - len(row)))
    return np.array(rows, dtype=np.int16)


def weights_of(rows, special, roles):
    """How much each id counts as a target, [rows][n_row + 1]: answers and plain text 1, what the user says less, padding 0.

    The weight of an id is set by the last event before it: a turn begins or has ended, an answer begins, a document ends."""
    end, start, stop = special
    before, before2, before3 = (np.pad(rows, ((0, 0), (n, 0)), constant_values=end)[:, :rows.shape[1]] for n in (1, 2, 3))
    event = np.full(rows.shape, -1.0, dtype=np.float32)
    event[:, 0] = 1.0
    event[before == end] = 1.0
    event[before == stop] = event[rows == start] = PROMPT_WEIGHT
    event[(before3 == start) & (before2 == roles["assistant"])] = 1.0  # behind the role and its line feed
    last = np.maximum.accumulate(np.where(event >= 0, np.arange(rows.shape[1]), 0), axis=1)
    weight = np.take_along_axis(event, last, 1)
    weight[(rows == end) & (before == end)] = 0.0
    return weight


class Vocabulary:
    def __init__(self, nce, path, work):
        self.nce, self.path, self.work = nce, path, work
        self.special = [int(token_ids(nce, path, work, t)[0]) for t in SPECIAL]
        self.roles = {r: int(token_ids(nce, path, work, r)[0]) for r in ("user", "assistant")}

    def encode(self, text):
        return token_ids(self.nce, self.path, self.work, text)


def training_rows(vocabulary, mix, n_tokens, n_row, seed):
    """(rows, weights) of about n_tokens tokens; kept in a file, since they depend on the arguments only."""
    cache = vocabulary.work / f"rows-{mix}-{n_tokens}-{n_row}-{seed}.npz"
    if cache.exists():
        kept = np.load(cache)
        return kept["rows"], kept["weights"]
    end, docs, found = vocabulary.special[0], [], 0
    source = documents(seed, mix)
    while found < n_tokens:
        ids = vocabulary.encode("".join(d + END for d in itertools.islice(source, 20000)))
        docs += [list(map(int, d)) for d in np.split(ids, np.where(ids == end)[0] + 1)[:-1]]
        found += len(ids)
    rows = rows_of(docs, n_row, end)
    weights = weights_of(rows, vocabulary.special, vocabulary.roles)
    np.savez(cache, rows=rows, weights=weights)
    return rows, weights


def question_rows(vocabulary, n, seed):
    """Held-out questions by category: {name: (rows, weights)}, one question a row."""
    rng, end, tests = random.Random(seed), vocabulary.special[0], {}
    for name in CATEGORIES:
        asked = [question(rng, True, name)[1:] for _ in range(n)]
        ids = vocabulary.encode("".join(turn(*pair) + END for pair in asked))
        docs = [list(map(int, d)) for d in np.split(ids, np.where(ids == end)[0] + 1)[:-1]]
        width = max(map(len, docs))
        rows = np.array([d + [end] * (width - len(d)) for d in docs], dtype=np.int64)
        weights = weights_of(rows, vocabulary.special, vocabulary.roles)
        tests[name] = torch.from_numpy(rows), torch.from_numpy(weights)
    return tests
