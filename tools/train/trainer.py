"""One training run: rows in, a trained network out; a checkpoint every few hundred steps, so that it can go on after a stop."""
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

from network import Decoder
from optimizer import optimizers

WARM_UP, DECAY_SHARE, CHECKPOINT = 40, 0.65, 200
N_WORKERS = 2  # threads; each takes half of a batch, which needs less waiting than two threads in every product


def share_of_rate(step, n_steps):
    """Share of the full learning rate: a short rise, a plateau, a straight line to nothing."""
    down = (n_steps - step) / (DECAY_SHARE * n_steps)
    return min(1.0, (step + 1) / WARM_UP, max(down, 0.0))


def losses(model, ids, weights, extra):
    """Weighted cross entropy of a batch; the same with what the layers add; the mean figure that they report."""
    notes = []
    logits = model(ids[:, :-1], notes)
    each = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    w = weights[:, 1:].flatten()
    main = (each * w).sum() / w.sum()
    if not notes:
        return main, main, None
    added, figure = (sum(column) / len(notes) for column in zip(*notes))
    return main, main + extra * added, figure.item()


@torch.no_grad()
def inherit(model, parent):
    """Start from the weights of another network: what is larger here repeats the parent's rows and columns, with noise so
    that copies can part."""
    given = dict(parent.named_parameters())
    for name, p in model.named_parameters():
        if name not in given:
            continue
        old = given[name]
        for axis, size in enumerate(p.shape):
            old = old.index_select(axis, torch.arange(size) % old.shape[axis])
        noise = 0.2 if old.shape != given[name].shape else 0.0
        p.copy_(old + noise * old.std() * torch.randn_like(p))


def worker_start():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # Adam's averages of rare tokens' gradients become denormal, a hundred times slower


@torch.no_grad()
def exact(model, ids, weights):
    """Share of answers that greedy decoding gives word for word, for rows of one question each."""
    right = (model(ids[:, :-1]).argmax(-1) == ids[:, 1:]) | (weights[:, 1:] < 1)
    return right.all(-1).float().mean().item()


class Run:
    def __init__(self, name, shape, work, seed, n_steps, extra=0.0, parent=None, rate=0.02):
        torch.manual_seed(seed)
        worker_start()
        self.workers = ThreadPoolExecutor(N_WORKERS, initializer=worker_start)
        self.name, self.n_steps, self.extra = name, n_steps, extra
        self.model = Decoder(shape)
        if parent is not None:
            inherit(self.model, parent)
        self.optimizers = optimizers(self.model, rate, rate / 5)
        self.path = work / f"{name}.pt"
        self.log_path = work / f"{name}.log"
        self.step, self.seconds, self.log, self.figure = 0, 0.0, [], None
        if self.path.exists():
            self.restore(torch.load(self.path))

    def restore(self, kept):
        self.model.load_state_dict(kept["model"])
        for o, state in zip(self.optimizers, kept["optimizers"]):
            o.load_state_dict(state)
        self.step, self.seconds, self.log = kept["step"], kept["seconds"], kept["log"]

    def save(self):
        kept = {"model": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers],
                "step": self.step, "seconds": self.seconds, "log": self.log}
        torch.save(kept, self.path.with_suffix(".part"))
        self.path.with_suffix(".part").rename(self.path)

    def one_step(self, ids, weights):
        share = share_of_rate(self.step, self.n_steps)
        for o in self.optimizers:
            for group in o.param_groups:
                group["lr"] = group.setdefault("full_lr", group["lr"]) * share
        params = list(self.model.parameters())
        parts = list(self.workers.map(self.gradients, ids.chunk(N_WORKERS), weights.chunk(N_WORKERS)))
        for p, *grads in zip(params, *(part[0] for part in parts)):
            p.grad = sum(grads) / len(grads)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for o in self.optimizers:
            o.step()
        self.figure = parts[0][2]
        return sum(part[1] for part in parts) / len(parts)

    def gradients(self, ids, weights):
        main, total, figure = losses(self.model, ids, weights, self.extra)
        return torch.autograd.grad(total, list(self.model.parameters())), main.item(), figure

    def train(self, rows, weights, n_batch, seed, test=None):
        """Go through the rows in an order that depends on the seed and the step only."""
        recent, start = [], time.process_time()
        began, first = time.time(), self.step
        while self.step < self.n_steps:
            epoch, at = divmod(self.step * n_batch, len(rows) - len(rows) % n_batch)
            order = np.random.default_rng([seed, epoch]).permutation(len(rows))[at:at + n_batch]
            recent.append(self.one_step(torch.from_numpy(rows[order].astype(np.int64)), torch.from_numpy(weights[order])))
            self.step += 1
            if self.step % 10 == 0:
                self.show(np.mean(recent[-50:]), time.time() - began, self.step - first)
            if self.step % CHECKPOINT == 0 or self.step == self.n_steps:
                now = time.process_time()
                self.seconds, start = self.seconds + now - start, now
                self.note(float(np.mean(recent[-100:])), test)
                self.save()
        return self.model

    def note(self, loss, test):
        entry = {"step": self.step, "loss": round(loss, 4), "cpu_seconds": round(self.seconds)}
        if test is not None:
            entry["exact"] = {name: round(exact(self.model, *pair), 4) for name, pair in test.items()}
        if self.figure is not None:
            entry["figure"] = round(self.figure, 4)
        self.log.append(entry)
        with open(self.log_path, "a", encoding="utf-8") as f:
            f.write(json.dumps(entry) + "\n")

    def show(self, loss, seconds, steps):
        left = seconds / steps * (self.n_steps - self.step)
        text = f"{self.name}: step {self.step} of {self.n_steps}, loss {loss:.4f}, {left / 60:.1f} minutes left"
        if sys.stderr.isatty():
            print(f"\r{text}\033[K", end="" if self.step < self.n_steps else "\n", file=sys.stderr, flush=True)
        elif self.step % CHECKPOINT == 0:
            print(text, file=sys.stderr, flush=True)
