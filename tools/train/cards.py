"""Measure a finished model through the library, and write its card."""
import hashlib
import itertools

import torch

import library
from corpus import END, documents
from data import run
from stories import article, keeps_characters
from words import ANIMALS

N_STORIES, N_PRINTED = 100, 20
HELD_OUT_SEED, N_HELD_OUT = 999, 300  # documents of a seed that no model was trained on
TYPES = ["f32", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0", "iq4_nl", "q3_k", "q2_k", "tq1_0"]


def held_out_tokens(vocabulary, mix, work):
    """(path of a tokens file, ids) of held-out text."""
    text = "".join(d + END for d in itertools.islice(documents(HELD_OUT_SEED, mix), N_HELD_OUT))
    ids, path = vocabulary.encode(text), work / f"held-out-{mix}.tokens"
    path.write_text(" ".join(map(str, ids)))
    return path, ids


def percent(x):
    return f"{100 * x:.1f} %"


def by_type(nce, master, tokens, work):
    """Table of perplexities of the float master quantized to each type, all matrices alike."""
    lines, base = ["| type | bytes | perplexity | more |", "| --- | ---: | ---: | ---: |"], None
    for name in TYPES:
        path = work / "typed.gguf"
        run(nce, "quantize", master, path, name, "--pure", "--quiet")
        value = library.perplexity(nce, path, tokens)
        base = base or value
        lines.append(f"| {name.upper()} | {path.stat().st_size:,} | {value:.4f} | {percent(value / base - 1)} |")
    return lines


@torch.no_grad()
def figures(model, ids, n_row=256):
    """Per layer, over a text: share of tokens that each expert gets, or of exact zeros before the down projection."""
    rows = torch.from_numpy(ids[:len(ids) // n_row * n_row].astype("int64")).view(-1, n_row)
    found = []
    for block in model.blocks:
        block.feed_forward.watch = []
    for part in rows.split(16):
        model(part)
    for block in model.blocks:
        found.append(torch.stack(block.feed_forward.watch).mean(0))
        block.feed_forward.watch = None
    return found


def expert_table(shares):
    lines = ["| layer | " + " | ".join(f"expert {i}" for i in range(len(shares[0]))) + " |", "| ---: |" + " ---: |" * len(shares[0])]
    return lines + [f"| {i} | " + " | ".join(percent(float(x)) for x in row) + " |" for i, row in enumerate(shares)]


def story_samples(lib, path):
    """The first stories, and how many of more keep to the names of their two characters."""
    lines, n_kept = [], 0
    for i in range(N_STORIES):
        chat = library.Chat(lib, path, preset="default", seed=i)
        ask = f"Tell me a story about {article(ANIMALS[i % len(ANIMALS)])}."
        story = chat.ask(ask)
        n_kept += keeps_characters(story)
        lines += [f"{i + 1}. **{ask}** {story}", ""] if i < N_PRINTED else []
        chat.close()
    return [f"Of {N_STORIES} such stories {n_kept} name the same two characters from beginning to end.", "", *lines]


def accuracy_table(lib, path, questions):
    by_category, total, zeros = library.accuracy(lib, path, questions)
    rows = [f"| {name} | {percent(share)} |" for name, share in by_category.items()]
    return ["| category | right |", "| --- | ---: |", *rows, f"| **all {len(questions)}** | **{percent(total)}** |"], total, zeros


def head(name, member, done, path, seconds):
    s = member.shape
    experts = f", {s.n_experts} experts of which {s.n_used} run" if s.n_experts else ""
    n_params = sum(p.numel() for p in done.model.parameters())
    start = f" from the weights of {member.parent} on ({done.all_seconds:,} s with those)" if member.parent else ""
    return [f"# {name}", "", member.about, "", "| | |", "| --- | --- |",
            f"| parameters | {n_params:,} |",
            f"| shape | {s.n_layers} layers, width {s.n_embd}, {s.n_heads} heads ({s.n_kv_heads} for keys and values), "
            f"feed-forward {s.n_ff}{experts}, {s.n_vocab} tokens, context {member.n_row} |",
            f"| text | mix `{member.mix}` of tools/train/corpus.py, seed {member.seed} |",
            f"| training | {done.n_steps} steps of 4,096 tokens, final loss {done.log[-1]['loss']:.4f}, {seconds} s of processor time{start} |",
            f"| file | {path.stat().st_size:,} bytes, {member.type_name} |",
            f"| SHA-256 | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |", "| licence | MIT |", ""]


def write(name, member, done, files, questions, out):
    """files: nce, lib, master, path, tokens, ids, work, tiny (path of the finished tiny)."""
    lines = head(name, member, done, files["path"], done.log[-1]["cpu_seconds"])
    zeros = 0.0
    asked = [q for q in questions if q[0] in member.asked] if member.asked else []
    if asked:
        table, total, zeros = accuracy_table(files["lib"], files["path"], asked)
        lines += ["## Held-out questions (greedy, word for word)", "", *table, ""]
        print(f"{name}: {percent(total)} of {len(asked)} held-out questions")
    lines += [f"Perplexity of the shipped file on held-out text: {library.perplexity(files['nce'], files['path'], files['tokens']):.4f}", ""]
    if name == "tiny":
        lines += ["## Perplexity by type", "", "The float master quantized with `nce quantize --pure`.", "",
                  *by_type(files["nce"], files["master"], files["tokens"], files["work"]), ""]
    if name == "tiny-draft":
        same = library.acceptance(files["nce"], files["tiny"], files["path"], files["ids"], files["work"])
        lines += [f"Acceptance as a draft of tiny (same best token, along held-out text): {percent(same.mean())}", ""]
    if member.shape.n_experts:
        lines += ["## Use of the experts on held-out text", "", *expert_table(figures(done.model, files["ids"])), ""]
    if member.shape.ternary:
        layers = [float(x) for x in figures(done.model, files["ids"])]
        lines += [f"Exact zeros before the down projection: {percent(zeros)} while answering the questions (NCE_METRIC_ZERO_ACTIVATIONS); on "
                  f"held-out text {percent(sum(layers) / len(layers))}, by layer " + ", ".join(map(percent, layers)) + ".", ""]
    if name == "tiny" or member.mix == "stories":
        lines += ["## Twenty stories (preset default, seeds 0 to 19)", "", *story_samples(files["lib"], files["path"])]
    out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
