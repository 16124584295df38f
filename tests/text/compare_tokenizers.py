#!/usr/bin/env python3
"""Compare whole tokenizers with Hugging Face's tokenizers and Google's sentencepiece on random Unicode text.

usage: compare_tokenizers.py LIBNCE.SO DATA-FOLDER [CASES] [SEED]
DATA-FOLDER holds the GGUF vocabularies gpt-2, falcon, deepseek-coder, llama-spm, phi-3 and, for llama-bpe,
llama3.tiktoken; what is missing is skipped with a line saying so.  Needs the PyPI packages tokenizers and sentencepiece
(0.23.3 and 0.2.3 were used); without them or any vocabulary the exit status is 77.
"""
import base64
import ctypes
import os
import random
import struct
import sys
import tempfile

try:
    import sentencepiece
    import tokenizers
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers as pre
except ImportError as missing:
    print(f'SKIP: the Python package {missing.name} is not installed')
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare_splits import random_text  # noqa: E402


def read_gguf(path):
    """The metadata of a GGUF file as a dictionary; strings stay bytes."""
    data = open(path, 'rb').read()
    at = 8
    formats = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}

    def number(f):
        nonlocal at
        value = struct.unpack_from('<' + f, data, at)[0]
        at += struct.calcsize('<' + f)
        return value

    def string():
        nonlocal at
        n = number('Q')
        at += n
        return data[at - n:at]

    def value(kind):
        if kind == 8:
            return string()
        if kind == 9:
            element, n = number('I'), number('Q')
            return [value(element) for _ in range(n)]
        return number(formats[kind])

    _, n_kv = number('Q'), number('Q')
    return {string().decode(): value(number('I')) for _ in range(n_kv)}


def write_gguf(path, strings, arrays, types):
    """A vocabulary-only GGUF file."""
    def s(x):
        return struct.pack('<Q', len(x)) + x
    out = [b'GGUF', struct.pack('<IQQ', 3, 0, len(strings) + len(arrays) + 1)]
    for key, text in strings.items():
        out += [s(key), struct.pack('<I', 8), s(text)]
    for key, texts in arrays.items():
        out += [s(key), struct.pack('<IIQ', 9, 8, len(texts))] + [s(t) for t in texts]
    out += [s(b'tokenizer.ggml.token_type'), struct.pack('<IIQ', 9, 5, len(types)), struct.pack(f'<{len(types)}i', *types)]
    open(path, 'wb').write(b''.join(out))


def byte_chars():
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(printable))
    return table


def merges_of_ranks(ranks):
    """Which pair makes each token: merge its bytes by all lower ranks until two parts are left."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda x: x[1]):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
            if ranks.get(parts[best] + parts[best + 1], rank) >= rank:
                break  # a token that merging never makes: it is only found as a whole word
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


class Nce:
    def __init__(self, library):
        self.lib = ctypes.CDLL(library)
        self.ctx = ctypes.c_void_p()
        assert self.lib.nce_context_create(None, ctypes.byref(self.ctx)) == 0

    def open(self, path):
        t = ctypes.c_void_p()
        status = self.lib.nce_tokenizer_open(self.ctx, path.encode(), ctypes.byref(t))
        assert status == 0, status
        return t

    def encode(self, t, text):
        raw = text.encode()
        ids, n = (ctypes.c_int32 * (2 * len(raw) + 4))(), ctypes.c_size_t()
        assert self.lib.nce_tokenizer_encode(t, raw, ctypes.c_size_t(len(raw)), 0, ids, ctypes.c_size_t(len(ids)),
                                             ctypes.byref(n)) == 0
        return list(ids[:n.value])

    def decode(self, t, ids):
        out, n = ctypes.create_string_buffer(64 * len(ids) + 64), ctypes.c_size_t()
        assert self.lib.nce_tokenizer_decode(t, (ctypes.c_int32 * len(ids))(*ids), ctypes.c_size_t(len(ids)), 0, out,
                                             ctypes.c_size_t(len(out)), ctypes.byref(n)) == 0
        return out.raw[:n.value]


def split(*patterns):
    return [pre.Split(Regex(p), 'isolated') for p in patterns]


BYTES = pre.ByteLevel(add_prefix_space=False, use_regex=False)
GPT2 = pre.ByteLevel(add_prefix_space=False, use_regex=True)
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PRE = {
    'gpt-2': GPT2,
    'falcon': pre.Sequence([pre.Punctuation('contiguous'), GPT2, *split('[0-9][0-9][0-9]')]),
    'deepseek-coder': pre.Sequence([*split('[\r\n]', r'\s?\p{L}+', r'\s?\p{P}+', '[一-龥ࠀ-一가-퟿]+'),
                                    pre.Digits(individual_digits=True), BYTES]),
    'llama-bpe': pre.Sequence([*split(LLAMA3), BYTES]),
}


def bpe(name, vocab, merges, added, whole=False):
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=whole))
    t.pre_tokenizer = PRE[name]
    t.add_tokens([AddedToken(a, normalized=False) for a in added])
    return lambda text: t.encode(text, add_special_tokens=False).ids


def sentencepiece_reference(data):
    sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(data, 'llama2.tokenizer.model'))
    return sp.encode


def subjects(data, folder):
    for name in ('gpt-2', 'falcon', 'deepseek-coder'):
        path = os.path.join(data, f'ggml-vocab-{name}.gguf')
        if not os.path.exists(path):
            print(f'SKIP {name}: no {path}')
            continue
        kv = read_gguf(path)
        tokens = [t.decode() for t in kv['tokenizer.ggml.tokens']]
        types = kv['tokenizer.ggml.token_type']
        merges = [tuple(m.decode().split(' ')) for m in kv['tokenizer.ggml.merges']]
        yield name, path, bpe(name, {t: i for i, t in enumerate(tokens)}, merges,
                              [t for t, kind in zip(tokens, types) if kind == 4])
    ranks_path = os.path.join(data, 'llama3.tiktoken')
    if os.path.exists(ranks_path):
        ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in open(ranks_path))}
        chars = byte_chars()
        text = {token: ''.join(chars[b] for b in token) for token in ranks}
        merges = [(text[a], text[b]) for a, b in merges_of_ranks(ranks)]
        tokens = [text[t] for t, _ in sorted(ranks.items(), key=lambda x: x[1])]
        path = os.path.join(folder, 'llama-bpe.gguf')
        write_gguf(path, {b'general.architecture': b'llama', b'tokenizer.ggml.model': b'gpt2', b'tokenizer.ggml.pre': b'llama-bpe'},
                   {b'tokenizer.ggml.tokens': [t.encode() for t in tokens],
                    b'tokenizer.ggml.merges': [f'{a} {b}'.encode() for a, b in merges]}, [1] * len(tokens))
        yield 'llama-bpe', path, bpe('llama-bpe', {t: i for i, t in enumerate(tokens)}, merges, [], whole=True)
    else:
        print(f'SKIP llama-bpe: no {ranks_path}')
    for name in ('llama-spm', 'phi-3'):
        path = os.path.join(data, f'ggml-vocab-{name}.gguf')
        if os.path.exists(path):
            yield name, path, sentencepiece_reference(data)
        else:
            print(f'SKIP {name}: no {path}')


def main():
    library, data = sys.argv[1], sys.argv[2]
    cases, seed = int(sys.argv[3]) if len(sys.argv) > 3 else 5000, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    nce, total, wrong = Nce(library), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path, reference in subjects(data, folder):
            t, rng, bad = nce.open(path), random.Random(seed), []
            missing = {chr(c) for c in range(128) if not nce.encode(t, chr(c))}  # falcon has no token for some bytes
            for _ in range(cases):
                text = random_text(rng)
                want, got = reference(text), nce.encode(t, text)
                exact = nce.decode(t, got) == ''.join(c for c in text if c not in missing).replace('\u2581', ' ').encode()
                if want != got or not exact:
                    bad.append((text, want, got))
            total, wrong = total + cases, wrong + len(bad)
            print(f'{name}: {cases} texts, {len(bad)} differ')
            if bad:
                text, want, got = min(bad, key=lambda x: len(x[0]))
                print(f'  {text!r}: expected {want}, got {got}, decoded {nce.decode(t, got)!r}')
    if total == 0:
        return 77
    print(f'{total} texts, {wrong} differ (seed {seed}, tokenizers {tokenizers.__version__})')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
