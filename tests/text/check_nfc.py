#!/usr/bin/env python3
"""NFC against Unicode's NormalizationTest (Debian's unicode-data, for the version of our tables) and Python's unicodedata.

    check_nfc.py TEXT_NFC [N]     the test program; N random texts

In NormalizationTest, column 2 is the NFC of columns 1 to 3, column 4 that of 4 and 5, and what column 1 of part 1 does not
name is its own.  Random texts use characters that Python's, older, Unicode knows.
"""
import bz2
import os
import random
import subprocess
import sys
import unicodedata

SUITE = "/usr/share/unicode/NormalizationTest.txt.bz2"


def suite_cases():
    listed, part = set(), ""
    with bz2.open(SUITE, "rt", encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].strip()
            if line.startswith("@"):
                part = line
            elif line:
                c = ["".join(chr(int(x, 16)) for x in column.split()) for column in line.split(";")[:5]]
                if part == "@Part1":
                    listed.add(c[0])
                yield from ((c[i], c[1]) for i in (0, 1, 2))
                yield from ((c[i], c[3]) for i in (3, 4))
    for cp in range(0x110000):
        if not 0xD800 <= cp < 0xE000 and chr(cp) not in listed:
            yield chr(cp), chr(cp)


def random_cases(n):
    rng = random.Random(7)
    known = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"]
    interesting = [c for c in known if unicodedata.combining(c) or unicodedata.decomposition(c) or "\u1100" <= c < "\u1200" or "\uac00" <= c < "\uad00"]
    for _ in range(n):
        text = "".join(rng.choice(rng.choice((known, interesting, interesting, "abcdeéñ "))) for _ in range(rng.randrange(1, 40)))
        yield text, unicodedata.normalize("NFC", text)


def main():
    cases = list(random_cases(int(sys.argv[2]) if len(sys.argv) > 2 else 20000))
    if os.path.exists(SUITE):
        cases += suite_cases()
    else:
        print(f"SKIPPED in part: {SUITE} is missing (package unicode-data)")
    given = "".join(text.encode().hex() + "\n" for text, _ in cases)
    got = subprocess.run([sys.argv[1]], input=given, capture_output=True, text=True, check=True).stdout.split("\n")
    bad = [(t, w, g) for (t, w), g in zip(cases, got) if w.encode().hex() != g]
    for text, want, g in bad[:10]:
        print(f"{text!a}: {g}, expected {want.encode().hex()}")
    print(f"{len(cases) - len(bad)} passed, {len(bad)} failed")
    return len(bad) != 0 or len(got) != len(cases) + 1


if __name__ == "__main__":
    sys.exit(main())
