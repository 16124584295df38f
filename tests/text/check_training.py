#!/usr/bin/env python3
"""Train a vocabulary with nce and with the plainest possible program, and compare every merge.

usage: check_training.py NCE TEXT-FILE [MERGES]
The program below looks through all pairs for the best one and recounts every word it touches.  TEXT-FILE must be ASCII, so that Python's own
regular expressions can stand in for GPT-2's.  Exit status 77 if TEXT-FILE is absent.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

GPT2 = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_chars():
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def train(text, n_merges):
    chars = byte_chars()
    names = sorted(chars.values())
    ids = {c: i for i, c in enumerate(names)}
    counts = collections.Counter(GPT2.findall(text))
    words = {w: [ids[chars[b]] for b in w.encode()] for w in counts}
    pairs, where = collections.Counter(), collections.defaultdict(set)

    def add(w, sign):
        for pair in zip(words[w], words[w][1:]):
            pairs[pair] += sign * counts[w]
            where[pair].add(w)

    for w in words:
        add(w, 1)
    merges = []
    while len(merges) < n_merges:
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[best] < 2:
            break
        name = names[best[0]] + names[best[1]]
        if name not in ids:
            ids[name] = len(names)
            names.append(name)
        merges.append(f'{names[best[0]]} {names[best[1]]}')
        for w in where.pop(best):
            add(w, -1)
            symbols, i = words[w], 0
            while i + 1 < len(symbols):
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i:i + 2] = [ids[name]]
                i += 1
            add(w, 1)
    return merges


def main():
    nce, path, n_merges = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    if not os.path.exists(path):
        print(f'SKIP: no {path}')
        return 77
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in ('1', '2', '5'):
            out = os.path.join(folder, f'{threads}.json')
            subprocess.run([nce, 'train-tokenizer', '--vocab', str(257 + n_merges), '--split', 'gpt-2', '--in', path, '--out', out,
                            '--threads', threads, '--quiet'], check=True)
            results.append(json.load(open(out))['model']['merges'])
    if results[0] != results[1] or results[0] != results[2]:
        print('the merges depend on the number of threads')
        return 1
    expected = train(open(path, newline='').read(), n_merges)
    for i, (want, got) in enumerate(zip(expected, results[0])):
        if want != got:
            print(f'merge {i}: expected {want!r}, got {got!r}')
            return 1
    print(f'{len(expected)} merges equal, for 1, 2 and 5 threads')
    return 0 if len(expected) == len(results[0]) == n_merges else 1


sys.exit(main())
