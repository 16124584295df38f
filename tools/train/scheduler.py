#!/usr/bin/env python3
"""Train the 8-16-4 network of the scheduler and write it as GGUF.

    tools/train/scheduler.py AzureLLMInferenceTrace_code.csv models/scheduler.gguf [--steps 4000] [--seed 1]

Data: the Azure LLM inference trace (TIMESTAMP, ContextTokens, GeneratedTokens; Azure/AzurePublicDataset, CC-BY 4.0).
Every row becomes one request on a node whose speed is drawn at random, because the network must rank for any node: its
prefill rate, decode rate, what share of the prompt is cached, whether something must be fetched first.  Prompt lengths
are also stretched at random, since other services send longer ones.  The first 70 % of the trace train, the rest tests.

The first output is trained as a ranker: the logistic loss of pairs within a batch (RankNet: Burges et al., ICML 2005),
with a little regression so that it also reads as log(1 + milliseconds).  The features are those of src/sched/predict.c;
what the running scheduler does not measure (ipc, idle) is drawn at random and so learned to mean nothing.

Needs numpy.  The result depends on the seed, the trace and numpy's random generator only.
"""
import argparse
import struct
import sys

import numpy as np

INPUTS, HIDDEN, OUTPUTS = 8, 16, 4
TOKEN_BYTES = 131072.0  # typical_token_bytes of src/sched/scheduler_place.c


def read_trace(path):
    rows = []
    with open(path, encoding="ascii") as f:
        if f.readline().strip() != "TIMESTAMP,ContextTokens,GeneratedTokens":
            sys.exit(f"{path}: not an Azure LLM inference trace")
        for number, line in enumerate(f, 2):
            fields = line.strip().split(",")
            if len(fields) != 3:
                sys.exit(f"{path}: line {number}: three fields expected")
            rows.append((int(fields[1]), int(fields[2])))
    return np.array(rows, dtype=np.float64)


def make_requests(rows, rng):
    """Features [n, 8] as predict.c compresses them, and targets [n, 4]."""
    n = len(rows)
    stretch = np.exp(rng.uniform(np.log(0.25), np.log(16), n))
    tokens = np.maximum(1, rows[:, 0] * stretch)
    output = np.maximum(1, rows[:, 1])
    usual = np.empty(n)  # running mean of output lengths, as the scheduler keeps it
    mean = output[0]
    for i in range(n):
        usual[i] = mean
        mean += (output[i] - mean) / 64
    token_s = np.exp(rng.uniform(np.log(2e-5), np.log(5e-3), n))
    decode_s = token_s * np.exp(rng.uniform(np.log(1), np.log(60), n))
    cached = np.where(rng.random(n) < 0.4, rng.random(n), 0)
    cpu = token_s * tokens * (1 - cached) * (1 + tokens / 65536)
    fetch = np.where(rng.random(n) < 0.2, tokens * cached * TOKEN_BYTES, 0)
    priority = rng.integers(0, 8, n)
    service = cpu + fetch / 1e9 + output * decode_s
    x = np.stack([np.log1p(cpu * 1e3), np.log1p(fetch * 1e-6), np.log1p(tokens * TOKEN_BYTES * 1e-6), rng.uniform(0, 4, n),
                  rng.random(n), np.log1p((cpu + usual * decode_s) * 1e3), (rng.random(n) < 0.9).astype(float), priority / 7], 1)
    length = np.log1p(service * 1e3)
    place = np.argsort(np.argsort(length)) / n  # 0 shortest
    slice_s = np.clip(service / 10, 1e-3, 0.1)
    y = np.stack([length, (fetch > 0).astype(float), (slice_s - 1e-3) / 0.099, 1 - place], 1)
    return x, y


def tau(a, b, limit=2000):
    """Kendall's tau-b on the first rows."""
    a, b = a[:limit], b[:limit]
    x, y = np.sign(a[:, None] - a[None]), np.sign(b[:, None] - b[None])
    return float((x * y).sum() / np.sqrt((x != 0).sum() * (y != 0).sum()))


def forward(p, x):
    h = x @ p["w1"].T + p["b1"]
    a = np.maximum(h, 0)
    return h, a, a @ p["w2"].T + p["b2"]


def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -50, 50)))


def gradients(p, x, y, rng):
    n = len(x)
    h, a, out = forward(p, x)
    d = np.zeros_like(out)
    d[:, 0] = 0.2 * np.clip(out[:, 0] - y[:, 0], -1, 1) / n
    other = rng.permutation(n)
    sign = np.sign(y[:, 0] - y[other, 0])
    push = -sign * sigmoid(-sign * (out[:, 0] - out[other, 0])) / n
    d[:, 0] += push
    np.add.at(d[:, 0], other, -push)
    d[:, 1:] = 0.3 * (sigmoid(out[:, 1:]) - y[:, 1:]) / n
    da = (d @ p["w2"]) * (h > 0)
    return {"w2": d.T @ a, "b2": d.sum(0), "w1": da.T @ x, "b1": da.sum(0)}


def train(x, y, steps, rng):
    p = {"w1": rng.normal(0, 0.5, (HIDDEN, INPUTS)), "b1": np.zeros(HIDDEN), "w2": rng.normal(0, 0.3, (OUTPUTS, HIDDEN)),
         "b2": np.array([y[:, 0].mean(), 0, 0, 0])}
    m = {k: np.zeros_like(v) for k, v in p.items()}
    v = {k: np.zeros_like(w) for k, w in p.items()}
    for step in range(1, steps + 1):
        batch = rng.integers(0, len(x), 512)
        g = gradients(p, x[batch], y[batch], rng)
        rate = 0.01 * (1 - step / (steps + 1))
        for k in p:  # Adam
            m[k] = 0.9 * m[k] + 0.1 * g[k]
            v[k] = 0.999 * v[k] + 0.001 * g[k] ** 2
            p[k] -= rate * (m[k] / (1 - 0.9**step)) / (np.sqrt(v[k] / (1 - 0.999**step)) + 1e-8)
    return p


def write_gguf(path, tensors):
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    kv = [("general.architecture", "nce-sched"), ("general.name", "scheduler 8-16-4"),
          ("general.description", "Length ranker of the LightRail scheduler, trained by tools/train/scheduler.py"),
          ("general.license", "MIT")]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(kv))
    for key, value in kv:
        head += text(key) + struct.pack("<I", 8) + text(value)
    data = b""
    for name, array in tensors.items():
        array = np.ascontiguousarray(array, dtype="<f4")
        head += text(name) + struct.pack("<I", array.ndim)
        head += b"".join(struct.pack("<Q", n) for n in reversed(array.shape))
        head += struct.pack("<IQ", 0, len(data))
        data += array.tobytes()
        data += b"\0" * (-len(data) % 32)
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32) + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trace")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = read_trace(args.trace)
    cut = len(rows) * 7 // 10
    x, y = (np.concatenate(parts) for parts in zip(*(make_requests(rows[:cut], rng) for _ in range(4))))
    x_test, y_test = make_requests(rows[cut:], rng)
    mean, scale = x.mean(0), np.maximum(x.std(0), 1e-3)
    p = train((x - mean) / scale, y, args.steps, rng)
    out = forward(p, (x_test - mean) / scale)[2]
    print(f"{len(rows)} requests; test tau: network {tau(out[:, 0], y_test[:, 0]):.3f}, "
          f"heuristic {tau(x_test[:, 5], y_test[:, 0]):.3f}, prompt length {tau(x_test[:, 2], y_test[:, 0]):.3f}")
    write_gguf(args.out, {"sched.input.mean": mean, "sched.input.scale": scale, "sched.hidden.weight": p["w1"],
                          "sched.hidden.bias": p["b1"], "sched.output.weight": p["w2"], "sched.output.bias": p["b2"]})


if __name__ == "__main__":
    main()
