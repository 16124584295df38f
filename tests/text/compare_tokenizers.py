#!/usr/bin/env python3
"""Compare whole tokenizers with Hugging Face's tokenizers and Google's sentencepiece on random Unicode text.

usage: compare_tokenizers.py LIBNCE.SO DATA-FOLDER [CASES] [SEED]
DATA-FOLDER holds the GGUF vocabularies gpt-2, falcon, deepseek-coder, llama-spm, phi-3 and, for llama-bpe,
llama3.tiktoken; what is missing is skipped with a line saying so.  Needs the PyPI packages tokenizers and sentencepiece
(0.23.3 and 0.2.3 were used); without them the exit status is 77.
A unigram and a WordPiece vocabulary are made on the spot.
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
from compare_splits import ALPHABETS, random_text  # noqa: E402


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


def write_gguf(path, metadata):
    """A GGUF file of metadata alone: bytes, bool, int, or lists of bytes, int or float; bytearray is an array of u8."""
    def s(x):
        return struct.pack('<Q', len(x)) + x

    def value(v):
        if isinstance(v, bytearray):
            return struct.pack('<IIQ', 9, 0, len(v)) + v
        if isinstance(v, bytes):
            return struct.pack('<I', 8) + s(v)
        if isinstance(v, bool):
            return struct.pack('<I?', 7, v)
        if isinstance(v, int):
            return struct.pack('<II', 4, v)
        if isinstance(v[0], bytes):
            return struct.pack('<IIQ', 9, 8, len(v)) + b''.join(map(s, v))
        kind, form = (6, 'f') if isinstance(v[0], float) else (5, 'i')
        return struct.pack('<IIQ', 9, kind, len(v)) + struct.pack(f'<{len(v)}{form}', *v)

    with open(path, 'wb') as f:
        f.write(b'GGUF' + struct.pack('<IQQ', 3, 0, len(metadata)))
        for key, v in metadata.items():
            f.write(s(key.encode()) + value(v))


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
    return lambda text, _: t.encode(text, add_special_tokens=False).ids


def sentencepiece_reference(data):
    sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(data, 'llama2.tokenizer.model'))
    return lambda text, _: sp.encode(text)


def proto_fields(data):
    """The length-delimited and varint fields of a protocol buffer message."""
    at = 0

    def varint():
        nonlocal at
        shift = value = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            n = varint()
            yield tag >> 3, data[at:at + n]
            at += n
        elif tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            at += {5: 4, 1: 8}[tag & 7]


KNOWN = set(''.join(ALPHABETS)) - {'\0', '\n', '\r'}


def training_text():
    rng = random.Random(5)
    return [''.join(c for c in random_text(rng) if c in KNOWN) for _ in range(20000)]


def unigram(folder):
    """A small unigram model that sentencepiece trains, with its own normalizer, written as GGUF."""
    import io
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(training_text()), model_writer=model, vocab_size=1000,
                                             model_type='unigram', character_coverage=0.98, hard_vocab_limit=False, minloglevel=9,
                                             user_defined_symbols=['<user>'])
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    normalizer = dict(proto_fields(dict(proto_fields(model.getvalue()))[3]))
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 4 if sp.id_to_piece(i) == '<user>' else 1
             for i in range(sp.get_piece_size())]
    path = os.path.join(folder, 'unigram.gguf')
    write_gguf(path, {'general.architecture': b't5', 'tokenizer.ggml.model': b't5',
                      'tokenizer.ggml.tokens': [sp.id_to_piece(i).encode() for i in range(len(kinds))],
                      'tokenizer.ggml.token_type': kinds,
                      'tokenizer.ggml.scores': [float(sp.get_score(i)) for i in range(len(kinds))],
                      'tokenizer.ggml.unknown_token_id': sp.unk_id(), 'tokenizer.ggml.eos_token_id': sp.eos_id(),
                      'tokenizer.ggml.add_space_prefix': True, 'tokenizer.ggml.remove_extra_whitespaces': True,
                      'tokenizer.ggml.precompiled_charsmap': bytearray(normalizer[2])})
    # sentencepiece adds scores up in 32 bits: of two segmentations with equal sums it may take the other one
    return path, lambda text, got: got if (want := sp.encode(text)) != got and abs(
        sum(map(sp.get_score, want)) - sum(map(sp.get_score, got))) < 1e-3 else want


def wordpiece(folder):
    """WordPiece over pieces cut from random words, as BERT's tokenizer runs it."""
    from tokenizers import normalizers, pre_tokenizers
    rng = random.Random(6)
    normalizer, cut = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    pieces = {}
    for text in training_text()[:4000]:
        for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(text)):
            for _ in range(2):
                begin = rng.randrange(len(word))
                part = word[begin:begin + rng.randrange(1, 4)]
                pieces.setdefault(part if begin == 0 else '##' + part)
    tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'] + list(pieces)
    path = os.path.join(folder, 'wordpiece.gguf')
    plain = [t if t[0] == '[' and len(t) > 3 else t[2:] if t.startswith('##') and len(t) > 2 else '\u2581' + t for t in tokens]
    write_gguf(path, {'general.architecture': b'bert', 'tokenizer.ggml.model': b'bert',
                      'tokenizer.ggml.tokens': [t.encode() for t in plain],
                      'tokenizer.ggml.token_type': [3] * 4 + [1] * len(pieces),
                      'tokenizer.ggml.unknown_token_id': 1})
    t = Tokenizer(models.WordPiece(vocab={t: i for i, t in enumerate(tokens)}, unk_token='[UNK]', max_input_chars_per_word=100))
    t.normalizer, t.pre_tokenizer = normalizer, cut
    # its idea of punctuation is that of an old Unicode: newer characters are left out
    return path, lambda text, got: t.encode(text, add_special_tokens=False).ids if set(text) <= KNOWN else got


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
        write_gguf(path, {'general.architecture': b'llama', 'tokenizer.ggml.model': b'gpt2', 'tokenizer.ggml.pre': b'llama-bpe',
                          'tokenizer.ggml.tokens': [t.encode() for t in tokens],
                          'tokenizer.ggml.token_type': [1] * len(tokens),
                          'tokenizer.ggml.merges': [f'{a} {b}'.encode() for a, b in merges]})
        yield 'llama-bpe', path, bpe('llama-bpe', {t: i for i, t in enumerate(tokens)}, merges, [], whole=True)
    else:
        print(f'SKIP llama-bpe: no {ranks_path}')
    for name in ('llama-spm', 'phi-3'):
        path = os.path.join(data, f'ggml-vocab-{name}.gguf')
        if os.path.exists(path):
            yield name, path, sentencepiece_reference(data)
        else:
            print(f'SKIP {name}: no {path}')


    yield ('unigram (ids only)', *unigram(folder))
    yield ('wordpiece (ids only)', *wordpiece(folder))


def main():
    library, data = sys.argv[1], sys.argv[2]
    cases, seed = int(sys.argv[3]) if len(sys.argv) > 3 else 5000, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    nce, total, wrong = Nce(library), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path, reference in subjects(data, folder):
            t, rng, bad = nce.open(path), random.Random(seed), []
            missing = {chr(c) for c in range(128) if not nce.encode(t, chr(c))}  # falcon has no token for some bytes
            nce.encode(t, 'a b ' * 1000)  # a text of this length is what makes it remember words, which the cases then use
            for _ in range(cases):
                text = random_text(rng)
                got = nce.encode(t, text)
                want = reference(text, got)
                kept = ''.join(c for c in text if c not in missing)
                exact = nce.decode(t, got) in (kept.encode(), kept.replace('\u2581', ' ').encode())
                if want != got or not (exact or 'ids only' in name):
                    bad.append((text, want, got))
            total, wrong = total + cases, wrong + len(bad)
            print(f'{name}: {cases} texts, {len(bad)} differ')
            if bad:
                text, want, got = min(bad, key=lambda x: len(x[0]))
                print(f'  {text!r}: expected {want}, got {got}, decoded {nce.decode(t, got)!r}')
    print(f'{total} texts, {wrong} differ (seed {seed}, tokenizers {tokenizers.__version__})')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
