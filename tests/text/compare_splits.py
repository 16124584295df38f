#!/usr/bin/env python3
"""Compare the pre-tokenizer rows with the regular expressions they stand for, on random Unicode text.

usage: compare_splits.py PATH-TO-text_splits [CASES] [SEED]
Needs the PyPI package tokenizers (0.23.3 was used), whose Split step runs the expressions of tokenizer.json files; without it
the exit status is 77.
"""
import importlib.util
import os
import random
import subprocess
import sys
import unicodedata

try:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split
except ImportError:
    print('SKIP: the Python package tokenizers is not installed')
    sys.exit(77)

spec = importlib.util.spec_from_file_location(
    'generate_unicode', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'scripts', 'generate-unicode.py'))
SETS = (unicode := importlib.util.module_from_spec(spec), spec.loader.exec_module(unicode))[0].SETS
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
A = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PUNCT = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def llama(number, word=WORD, punct=PUNCT, contraction=CONTRACTION + '|', tail=TAIL):
    return f"{contraction}{word}|{number}|{punct}|{tail}"


def cased(number, suffix=CONTRACTION + '?', up=UP, low=LOW, head='', punct=r" ?[^\s\p{L}\p{N}]+[\r\n/]*"):
    p = r"[^\r\n\p{L}\p{N}]?"
    return f"{head}{p}{up}*{low}+{suffix}|{p}{up}+{low}*{suffix}|{number}|{punct}|{TAIL}"


V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"""
      + TAIL)
CASCADE = '|'.join(rf"\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"
PUNCTUATION = r"[\p{P}!-/:-@\[-`{-~]+"
CJK_CODER, CJK_V3 = '[一-龥ࠀ-一가-퟿]+', '[一-龥぀-ゟ゠-ヿ]+'
BLOOM = ' ?[^(\\s|.,!?…。，、।۔،)]+'
GPT4O = cased(r"\p{N}{1,3}")
ROWS = {
    'gpt-2': [A],
    'llama-bpe': [llama(r"\p{N}{1,3}")],
    'qwen2': [llama(r"\p{N}")],
    'qwen35': [llama(r"\p{N}", word=r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", punct=r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*")],
    'minicpm5': [r"\p{N}{1,3}", llama(r"\p{N}+")],
    'ufakzeka': [llama(r"\p{N}", contraction='')],
    'seed-coder': [llama(r"\p{N}{1}", punct=r" ?[^\s\p{L}\p{N}\r\n]+")],
    'jais-2': [llama(r"\p{N}{1,3}", tail=r"\s*[\r\n]+|" + CASCADE)],
    'exaone-moe': [llama(r"\p{N}", word=r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
                         punct=r" ?[^\s\p{L}\p{N}]+[\r\n/]?", tail=r"\s*[\r\n]|\s+(?!\S)|\s+")],
    'bailingmoe': [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    'gpt-4o': [GPT4O],
    'tekken': [cased(r"\p{N}", suffix='')],
    'kimi-k2': [cased(r"\p{N}{1,3}", up=r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]",
                      low=r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]", head=r"[\p{Han}]+|", punct=PUNCT)],
    'deepseek-coder': [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK_CODER, r"\p{N}"],
    'deepseek-llm': [r"[\r\n]", r"\s?[" + SETS['CASED_LLM'] + "]+", r"\s?[" + SETS['PUNCT_LLM'] + "]+", r"\s+$", CJK_CODER,
                     r"\p{N}+"],
    'deepseek-v3': [r"\p{N}{1,3}", CJK_V3, V3],
    'spark2_5': [r"\p{N}{1,3}", CJK_V3, V3.replace(r"[\p{P}\p{S}]+[\r\n]*", r"[\p{P}\p{S}]+").replace(r"\s*[\r\n]+", r"[\r\n]"),
                 r"\p{N}"],
    'falcon': [PUNCTUATION, A, r"[0-9][0-9][0-9]"],
    'starcoder': [r"\p{N}", A],
    'default': [PUNCTUATION, A, r"\p{N}+", r"[0-9][0-9][0-9]"],
    'chameleon': [r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", A],
    'bloom': [BLOOM],
    'viking': [BLOOM, r"\p{N}"],
    'tiny_aya': [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O],
    'laguna': [r"[^\n]+|[\n]+", llama(r"\p{N}")],
    'gemma4': [r"[^\n]+|[\n]+"],
    'youtu': ['[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+', cased(r"\p{N}")],
    'superbpe': [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
}
ALPHABETS = [
    "abcdefgXYZ'sStTlLvVrReEmMdD", "0123456789", "     \t\n\r\n", ".,;:!?()[]{}<>|/\\-_=+*&^%$#@~`\"'", "éüñçßÄÖſ", "дяЖЩ", "中文字漢",
    "あいウエ", "한글ㄱ", "\u0301\u0300\u0903\u093f", "अआइ", "²½Ⅷ٣४", "。，、…“”‘’—；：！", "\u00a0\u2003\u3000\u0085\u2028", "😀🦙\u200d\ufe0f",
    "ǅʰªº", "\x00\x1f\u200b\ufeff\ue000", "ㄅㄆ", "_‿⁀", "ÀàＡａ𐐀𞤀ℂↃ"]
# The package may know a newer Unicode than the tables: characters that Python does not know yet are left out.
UNASSIGNED = {c for c in range(0x110000) if unicodedata.category(chr(c)) in ('Cn', 'Cs')}


def random_text(rng):
    if rng.random() < 0.1:
        return ''.join(chr(c) for c in (rng.randrange(0x3000) for _ in range(rng.randrange(40))) if c not in UNASSIGNED)
    out = []
    for _ in range(rng.randrange(1, 12)):
        letters = rng.choice(ALPHABETS)
        out.append(''.join(rng.choice(letters) for _ in range(rng.randrange(1, 7))))
    return ''.join(out)


def reference(name, text, steps):
    pieces = [(0, len(text))]
    for step in steps:
        cut = []
        for begin, end in pieces:
            cut += [(begin + b, begin + e) for _, (b, e) in step.pre_tokenize_str(text[begin:end]) if e > b]
        pieces = cut
    offsets = [0]
    for ch in text:
        offsets.append(offsets[-1] + len(ch.encode()))
    return [offsets[e] for _, e in pieces]


def main():
    tool, cases, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = random.Random(seed)
    steps = {name: [Split(Regex(p), 'isolated') for p in row] for name, row in ROWS.items()}
    work = [(name, random_text(rng)) for _ in range(cases // len(ROWS)) for name in ROWS]
    feed = ''.join(f'{name} {text.encode().hex()}\n' for name, text in work)
    answers = subprocess.run([tool], input=feed, capture_output=True, text=True, check=True).stdout.split('\n')
    wrong = {}
    for (name, text), answer in zip(work, answers):
        want, got = reference(name, text, steps[name]), [int(x) for x in answer.split()]
        if want != got:
            wrong.setdefault(name, []).append((text, want, got))
    for name, list_ in wrong.items():
        text, want, got = min(list_, key=lambda x: len(x[0]))
        print(f'{name}: {len(list_)} differ, e.g. {text!r}: expected {want}, got {got}')
    print(f'{len(work)} texts over {len(ROWS)} rows, {sum(map(len, wrong.values()))} differ (seed {seed})')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
