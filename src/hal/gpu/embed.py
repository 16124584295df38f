#!/usr/bin/env python3
"""Make kernel texts and images part of the library (called by the build only).

    embed.py text ROOT IN OUT                    IN with every #include "..." below ROOT put in its place, once
    embed.py table OUT [VENDOR ARCH FILE]...     a C file with the table of image.h, the files taken in by the assembler
"""
import io
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def expand(root, path, out, seen):
    if path in seen:
        return
    seen.add(path)
    with open(os.path.join(root, path), encoding='utf-8') as f:
        for line in f:
            match = INCLUDE.match(line)
            if match:
                expand(root, match.group(1), out, seen)
            else:
                out.append(line)


def write(target, content):
    """All or nothing: a build that is stopped here must not leave half a file that looks new."""
    with open(target + '.new', 'w', encoding='utf-8') as f:
        f.write(content)
    os.replace(target + '.new', target)


def text(root, source, target):
    lines = []
    expand(root, os.path.relpath(source, root), lines, set())
    write(target, ''.join(lines))


def table(target, *rows):
    images = list(zip(rows[0::3], rows[1::3], rows[2::3]))
    with io.StringIO() as f:
        f.write('/* Written by the build (embed.py). */\n#include "src/hal/gpu/image.h"\n\n')
        for i, (_, _, path) in enumerate(images):
            f.write(f'__asm__(".pushsection .rodata\\n.balign 64\\n.globl nce_gpu_image_{i}\\n.hidden nce_gpu_image_{i}\\n"\n'
                    f'        "nce_gpu_image_{i}:\\n.incbin \\"{os.path.abspath(path)}\\"\\n.byte 0\\n.popsection\\n");\n'
                    f'extern const unsigned char nce_gpu_image_{i}[] __attribute__((visibility("hidden")));\n')
        f.write('\nconst nce_gpu_image *nce_gpu_images(size_t *n)\n{\n    static const nce_gpu_image images[] = {\n')
        for i, (vendor, arch, path) in enumerate(images):
            f.write(f'        {{"{vendor}", "{arch}", nce_gpu_image_{i}, {os.path.getsize(path)}}},\n')
        f.write('        {0},\n    };\n    *n = sizeof images / sizeof *images - 1;\n    return images;\n}\n')
        write(target, f.getvalue())


if __name__ == '__main__':
    {'text': text, 'table': table}[sys.argv[1]](*sys.argv[2:])
