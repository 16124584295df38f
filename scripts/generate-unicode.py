#!/usr/bin/env python3
"""Write src/core/text/unicode_tables.c from the Unicode Character Database.

Source: Debian 12's package unicode-data (15.0.0-1), files UnicodeData.txt, PropList.txt, Scripts.txt and
DerivedNormalizationProps.txt under /usr/share/unicode.  Run as: scripts/generate-unicode.py [UCD-FOLDER] > src/core/text/unicode_tables.c
The output is committed, so the package is needed only to run this script again.
"""
import re
import sys

UCD = '/usr/share/unicode'
VERSION = '15.0.0'
N = 0x110000
BLOCK = 256

# Bits of a code point, in the order of enum nce_class (unicode.h).
BITS = ('LU LL LT LM LO MN MX ND NX P S WS NL HAN OTHER SPACE PC DIGIT ALPHA APUNCT SLASH LF '
        'CJK_V3 CJK_CODER CASED_LLM PUNCT_LLM ASIAN HANGUL_YOUTU PUNCT_YOUTU BOPOMOFO BLOOM_STOP ANY').split()
BIT = {name: 1 << i for i, name in enumerate(BITS)}

# Character lists that pre-tokenizers write out instead of naming a Unicode property: the bracket expressions of the
# tokenizer.json files of deepseek-llm, deepseek-coder, deepseek-v3, trinity (afmoe), youtu and bloom.
SETS = {
    'CJK_V3': '一-龥぀-ゟ゠-ヿ',
    'CJK_CODER': '一-龥ࠀ-一가-퟿',
    'CASED_LLM': 'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥ'
                 'ῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ'
                 '𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃',
    'PUNCT_LLM': '!-/:-~！-／：-～‘-‟　-。',
    'ASIAN': '一-鿿㐀-䶿\uf900-\ufaff぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ',
    'HANGUL_YOUTU': '가-힣ㄱ-ㆎ',
    'PUNCT_YOUTU': '！…“”‘’—：；，、-〿︰-﹏',
    'BOPOMOFO': 'ㄅ-ㄯ',
    'BLOOM_STOP': '(|.,!?…。，、।۔،)',
}
CATEGORY = {'Lu': 'LU', 'Ll': 'LL', 'Lt': 'LT', 'Lm': 'LM', 'Lo': 'LO', 'Mn': 'MN', 'Mc': 'MX', 'Me': 'MX', 'Nd': 'ND',
            'Nl': 'NX', 'No': 'NX', 'Pc': 'P', 'Pd': 'P', 'Ps': 'P', 'Pe': 'P', 'Pi': 'P', 'Pf': 'P', 'Po': 'P',
            'Zs': 'ANY', 'Zl': 'ANY', 'Zp': 'ANY', 'Sm': 'S', 'Sc': 'S', 'Sk': 'S', 'So': 'S', 'Cc': 'OTHER', 'Cf': 'OTHER', 'Cs': 'OTHER', 'Co': 'OTHER'}


def rows(name):
    with open(f'{UCD}/{name}', encoding='utf-8') as f:
        for line in f:
            line = line.split('#')[0].strip()
            if line:
                yield [x.strip() for x in line.split(';')]


def code_range(text):
    first, _, last = text.partition('..')
    return range(int(first, 16), int(last or first, 16) + 1)


def expand(text):
    """Code points of a bracket expression without escapes."""
    i = 0
    while i < len(text):
        if i + 2 < len(text) and text[i + 1] == '-':
            yield from range(ord(text[i]), ord(text[i + 2]) + 1)
            i += 3
        else:
            yield ord(text[i])
            i += 1


def read():
    mask, lower, canonical, ccc = [0] * N, {}, {}, {}
    first = None
    for r in rows('UnicodeData.txt'):
        cp = int(r[0], 16)
        if r[1].endswith(', First>'):
            first = cp
            continue
        for c in range(first if r[1].endswith(', Last>') else cp, cp + 1):
            mask[c] = BIT[CATEGORY[r[2]]] | (BIT['PC'] if r[2] == 'Pc' else 0)
        if r[3] != '0':
            ccc[cp] = int(r[3])
        if r[13]:
            lower[cp] = int(r[13], 16)
        if r[5] and not r[5].startswith('<'):
            canonical[cp] = [int(x, 16) for x in r[5].split()]
    for cp in range(N):
        mask[cp] = (mask[cp] or BIT['OTHER']) | BIT['ANY']
    for file, prop, bit in (('PropList.txt', 'White_Space', 'WS'), ('Scripts.txt', 'Han', 'HAN')):
        for r in rows(file):
            if r[1] == prop:
                for c in code_range(r[0]):
                    mask[c] |= BIT[bit]
    for name, text in list(SETS.items()) + [('NL', '\r\n'), ('LF', '\n'), ('SPACE', ' '), ('SLASH', '/'), ('DIGIT', '0-9'),
                                            ('ALPHA', 'A-Za-z'), ('APUNCT', '!-/:-@[-`{-~')]:
        for c in expand(text):
            mask[c] |= BIT[name]
    for c in range(N):
        if mask[c] & BIT['WS']:
            mask[c] |= BIT['BLOOM_STOP']

    def full(cp):
        return [y for x in canonical[cp] for y in full(x)] if cp in canonical else [cp]

    excluded = {c for r in rows('DerivedNormalizationProps.txt') if r[1] == 'Full_Composition_Exclusion' for c in code_range(r[0])}
    careful = {c for r in rows('DerivedNormalizationProps.txt') if r[1] == 'NFC_QC' for c in code_range(r[0])} | set(ccc)
    compose = sorted((*seq, cp) for cp, seq in canonical.items() if len(seq) == 2 and cp not in excluded)
    return mask, lower, {cp: full(cp) for cp in canonical}, ccc, compose, careful


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def emit(kind, name, values, per_line=16, form='{}'):
    print(f'const {kind} {name}[{len(values)}] = {{')
    for i in range(0, len(values), per_line):
        print('    ' + ' '.join(form.format(v) + ',' for v in values[i:i + per_line]))
    print('};')


def main():
    global UCD
    if len(sys.argv) > 1:
        UCD = sys.argv[1]
    readme = open(f'{UCD}/ReadMe.txt', encoding='utf-8').read()
    if not re.search(r'Version ' + re.escape(VERSION), readme):
        sys.exit(f'{UCD} is not Unicode {VERSION}')
    mask, lower, nfd, ccc, compose, careful = read()
    classes = sorted(set(mask))
    index = {m: i for i, m in enumerate(classes)}
    assert len(classes) <= 256
    blocks, stage1 = {}, []
    for base in range(0, N, BLOCK):
        block = tuple(index[m] for m in mask[base:base + BLOCK])
        stage1.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 256
    print(f'/* Unicode {VERSION} tables: generated by scripts/generate-unicode.py from Debian\'s unicode-data 15.0.0-1; do not edit.\n'
          ' * Layout: unicode.h. */')
    print('/* clang-format off */')
    print('#include "src/core/text/unicode.h"\n')
    emit('uint32_t', 'nce_unicode_masks', classes, 8, '0x{:08x}')
    emit('uint8_t', 'nce_unicode_stage1', stage1, 24)
    emit('uint8_t', 'nce_unicode_stage2', [v for b in blocks for v in b], 32)
    emit('uint32_t', 'nce_unicode_ascii', mask[:128], 8, '0x{:08x}')
    emit('nce_unicode_pair', 'nce_unicode_lower', sorted(lower.items()), 8, '{{0x{0[0]:x}, 0x{0[1]:x}}}')
    pool, entries = [], []
    for cp, seq in sorted(nfd.items()):
        entries.append((cp, len(pool) << 3 | len(seq)))
        pool += seq
    emit('nce_unicode_pair', 'nce_unicode_nfd', entries, 8, '{{0x{0[0]:x}, 0x{0[1]:x}}}')
    emit('uint32_t', 'nce_unicode_nfd_pool', pool, 12, '0x{:x}')
    emit('nce_unicode_pair', 'nce_unicode_ccc', sorted(ccc.items()), 8, '{{0x{0[0]:x}, {0[1]}}}')
    emit('nce_unicode_composition', 'nce_unicode_compositions', compose, 6, '{{0x{0[0]:x}, 0x{0[1]:x}, 0x{0[2]:x}}}')
    emit('nce_unicode_pair', 'nce_unicode_careful', ranges(careful), 8, '{{0x{0[0]:x}, 0x{0[1]:x}}}')
    blocks = [sum(1 << bit for bit in range(8) if any(c >> 8 == 8 * i + bit for c in careful)) for i in range(0x1100 // 8)]
    emit('uint8_t', 'nce_unicode_careful_blocks', blocks, 32)
    print(f'const size_t nce_unicode_n_ccc = {len(ccc)};')
    print(f'const size_t nce_unicode_n_compositions = {len(compose)};')
    print(f'const size_t nce_unicode_n_careful = {len(ranges(careful))};')
    print(f'const size_t nce_unicode_n_lower = {len(lower)};')
    print(f'const size_t nce_unicode_n_nfd = {len(entries)};')


if __name__ == '__main__':
    main()
