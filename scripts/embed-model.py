#!/usr/bin/env python3
"""embed-model.py MODEL HEADER: the header through which src/core/gguf/builtin.c takes MODEL in.

The checksum is there so that the header, and with it the object, changes whenever the model does."""
import hashlib
import sys
from pathlib import Path

model = Path(sys.argv[1]).resolve()
quoted = str(model).replace("\\", "\\\\").replace('"', '\\"')
Path(sys.argv[2]).write_text(f'#define NCE_BUILTIN_FILE "{quoted}"\n'
                             f"/* SHA-256 {hashlib.sha256(model.read_bytes()).hexdigest()} */\n", encoding="utf-8")
