#!/usr/bin/env python3
"""Models with latent attention (deepseek2) on a device: the CPU's logits hash.

    latent_hash.py NCE DEVICE FOLDER

Both forms of the layer, of two generations, from the random models of tests/golden; as they are and quantized; a prompt in one
step, in small ones, and token by token.  Exit 77 if there is no such device.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import tiny_models  # noqa: E402


def main(nce, device, folder):
    run = lambda *args: subprocess.run([nce, *args], capture_output=True, text=True)
    listed = [line for line in run("devices").stdout.splitlines() if line.startswith(device + " ")]
    if not listed or " not here: " in listed[0]:
        print(f"SKIP: no device {device}")
        return 77
    os.makedirs(folder, exist_ok=True)
    plain, small, tokens = (os.path.join(folder, name) for name in ("latent.gguf", "latent-q8_0.gguf", "latent-tokens"))
    with open(tokens, "w", encoding="utf-8") as f:
        f.write(" ".join(str(t % tiny_models.VOCAB) for t in tiny_models.TOKENS * 3))
    n_failed = 0
    for model in tiny_models.all_models():
        if model.arch != "deepseek2":
            continue
        model.write(plain)
        quantized = run("quantize", plain, small, "q8_0", "--quiet")
        if quantized.returncode != 0:
            print(f"FAIL {model.name}: {quantized.stderr}")
            n_failed += 1
            continue
        for path in (plain, small):
            hashes = {}
            for name in ("cpu", device):
                for batch in ("48", "5", "1"):
                    hashes[name, batch] = run("logits", path, "--tokens", tokens, "--quiet", "--device", name, "--batch", batch)
            said = {(h.stdout + h.stderr).strip() for h in hashes.values()}
            good = len(said) == 1 and said.pop().startswith("xxh3-128: ")
            n_failed += not good
            print("ok" if good else "FAIL", model.name, os.path.basename(path))
            for key, h in hashes.items() if not good else ():
                print("   ", *key, h.stdout.strip(), h.stderr.strip())
    return n_failed != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
