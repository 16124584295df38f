"""The networks of the tiny family: a Llama decoder, dense or with experts, and its BitNet b1.58 sibling.

Matrix products run in bfloat16 where the processor has instructions for it, everything else in float.  Rotary positions
are in the half-split form here; gguf_file.py interleaves the rows for the Llama architecture, which wants pairs.

Experts: softmax over all, the best two, renormalised (Mixtral: Jiang et al., 2024), with the load-balancing loss of the
Switch Transformer (Fedus et al., 2022).  All experts are computed and the unchosen multiplied by zero: at this size one
wide product is faster than eight narrow ones.

Ternary: weights as mean(|w|) * {-1, 0, 1}, activations in 8 bits by blocks of 256 as the library's kernels quantize them,
both straight through (Ma et al., "The Era of 1-bit LLMs", 2024); ReLU^2 gates and sub-norms as in BitNet b1.58 2B4T.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

ACT_BLOCK = 256
MOST_OPEN = 0.26  # share of ReLU^2 gates above zero that costs nothing
NORM_EPS = 1e-5


@dataclass
class Shape:
    n_vocab: int
    n_embd: int = 256
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int = 2
    n_ff: int = 512
    n_experts: int = 0
    n_used: int = 2
    ternary: bool = False
    rope_base: float = 10000.0

    @property
    def n_head_dim(self):
        return self.n_embd // self.n_heads


def norm(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS) * weight


def through(x, quantized):
    """The value of quantized, the gradient of x."""
    return x + (quantized - x).detach()


def ternary_weight(w):
    with torch.no_grad():
        scale = w.abs().mean().clamp(min=1e-8)
        q = (w / scale).round().clamp(-1, 1) * scale
    return through(w, q)


def int8_activation(x):
    with torch.no_grad():
        blocks = x.reshape(*x.shape[:-1], -1, min(ACT_BLOCK, x.shape[-1]))
        scale = blocks.abs().amax(-1, keepdim=True).clamp(min=1e-8) / 127
        q = ((blocks / scale).round() * scale).reshape(x.shape)
    return through(x, q)


def open_share(gate):
    """A smooth stand-in for the share of gates above zero, whose gradient pushes those near zero below it."""
    return torch.sigmoid(4 * gate / gate.detach().square().mean().sqrt()).mean()


class Linear(nn.Module):
    def __init__(self, n_in, n_out, ternary=False, std=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * (std if std is not None else n_in ** -0.5))
        self.ternary = ternary

    def values(self):
        """The weights as the product sees them."""
        return (ternary_weight(self.weight) if self.ternary else self.weight).to(torch.bfloat16)

    def forward(self, x):
        return product(x, self)


def product(x, *layers):
    """The products of x with several matrices as one; a list if there are more than one."""
    if layers[0].ternary:
        x = int8_activation(x)
    w = [layer.values() for layer in layers]
    y = F.linear(x.to(torch.bfloat16), torch.cat(w) if len(w) > 1 else w[0])
    return y.split([len(m) for m in w], -1) if len(w) > 1 else y


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s, d = s, s.n_head_dim
        self.q = Linear(s.n_embd, s.n_heads * d, s.ternary)
        self.k = Linear(s.n_embd, s.n_kv_heads * d, s.ternary)
        self.v = Linear(s.n_embd, s.n_kv_heads * d, s.ternary)
        self.o = Linear(s.n_heads * d, s.n_embd, s.ternary, std=0.02)
        self.sub_norm = nn.Parameter(torch.ones(s.n_heads * d)) if s.ternary else None

    def forward(self, x, rotation, mask):
        s, (b, t, _) = self.s, x.shape
        d, group = s.n_head_dim, s.n_heads // s.n_kv_heads
        q, k, v = (y.view(b, t, -1, d).transpose(1, 2) for y in product(x, self.q, self.k, self.v))
        q, k = rotate(q, rotation), rotate(k, rotation)
        q = q.reshape(b, s.n_kv_heads, group * t, d)  # the heads of a group as more rows of one product
        p = torch.softmax((q @ k.transpose(-1, -2)) * d ** -0.5 + mask.repeat(group, 1), -1)
        y = (p @ v).view(b, s.n_heads, t, d).transpose(1, 2).reshape(b, t, s.n_heads * d)
        if self.sub_norm is not None:
            y = norm(y.float(), self.sub_norm)
        return self.o(y)


def rotate(x, rotation):
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        width = s.n_ff * max(1, s.n_experts)
        self.gate = Linear(s.n_embd, width, s.ternary)
        self.up = Linear(s.n_embd, width, s.ternary)
        self.down = Linear(width, s.n_embd, s.ternary, std=0.02)
        self.sub_norm = nn.Parameter(torch.ones(s.n_ff)) if s.ternary else None
        self.router = nn.Parameter(torch.randn(s.n_experts, s.n_embd) * 0.02) if s.n_experts else None
        self.watch = None  # a list: gets the share of zeros, or of tokens by expert, of every batch

    def forward(self, x, notes):
        """notes: gets (what to add to the loss, a figure to report) from layers that have it."""
        gate, up = product(x, self.gate, self.up)
        if not self.s.ternary:
            h = F.silu(gate) * up
            return self.down(h if self.router is None else self.route(x, h, notes))
        gate = gate.float()
        h = F.relu(gate).square() * up.float()
        zeros = (h.detach() == 0).float().mean()
        if self.watch is not None:
            self.watch.append(zeros)
        notes.append((F.relu(through(open_share(gate), 1 - zeros) - MOST_OPEN), zeros))
        return self.down(norm(h, self.sub_norm))

    def route(self, x, h, notes):
        p = torch.softmax(F.linear(x.to(torch.bfloat16), self.router.to(torch.bfloat16)).float(), -1)
        best, chosen = p.topk(self.s.n_used, -1)
        weight = torch.zeros_like(p).scatter(-1, chosen, best / best.sum(-1, keepdim=True))
        usage = (weight.detach() > 0).float().mean((0, 1)) / self.s.n_used
        if self.watch is not None:
            self.watch.append(usage)
        notes.append((self.s.n_experts * (usage * p.mean((0, 1))).sum(), usage.max()))
        h = h.view(*h.shape[:-1], self.s.n_experts, self.s.n_ff) * weight.unsqueeze(-1).to(h.dtype)
        return h.flatten(-2)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.attn_norm = nn.Parameter(torch.ones(s.n_embd))
        self.ffn_norm = nn.Parameter(torch.ones(s.n_embd))
        self.attention, self.feed_forward = Attention(s), FeedForward(s)

    def forward(self, x, rotation, mask, notes):
        x = x + self.attention(norm(x, self.attn_norm), rotation, mask)
        return x + self.feed_forward(norm(x, self.ffn_norm), notes)


class Decoder(nn.Module):
    """Ids [batch, length] to logits [batch, length, n_vocab]; the embedding table is also the output matrix."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        self.embed = nn.Parameter(torch.randn(s.n_vocab, s.n_embd) * 0.02)
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.n_layers))
        self.out_norm = nn.Parameter(torch.ones(s.n_embd))

    def positions(self, t):
        d = self.s.n_head_dim
        angle = torch.arange(t)[:, None] * self.s.rope_base ** (-torch.arange(0, d, 2) / d)
        rotation = angle.cos().bfloat16(), angle.sin().bfloat16()
        return rotation, torch.full((t, t), float("-inf")).triu(1).bfloat16()

    def forward(self, ids, notes=None):
        notes = [] if notes is None else notes
        rotation, mask = self.positions(ids.shape[1])
        x = F.embedding(ids, self.embed)
        for block in self.blocks:
            x = block(x, rotation, mask, notes)
        x = norm(x, self.out_norm)
        return F.linear(x.to(torch.bfloat16), self.embed.to(torch.bfloat16)).float()
