"""Muon for the matrices of the blocks, AdamW for everything else.

Muon (Jordan et al., 2024): the momentum of a matrix is replaced by the nearest orthogonal one, found by Newton-Schulz
steps, so that all directions learn at one speed.  At this size it needs about half the steps of AdamW."""
import torch

STEPS, A, B, C = 5, 3.4445, -4.7750, 2.0315  # of the quintic iteration


def orthogonal(g):
    """Near-orthogonal matrices of a stack [n, rows, columns]."""
    x = g.bfloat16()
    wide = x.shape[-2] > x.shape[-1]
    if wide:
        x = x.transpose(-1, -2)
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).bfloat16()
    for _ in range(STEPS):
        s = x @ x.transpose(-1, -2)
        x = A * x + (B * s + C * s @ s) @ x
    return (x.transpose(-1, -2) if wide else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                state = self.state[p]
                if "buffer" not in state:
                    state["buffer"] = torch.zeros_like(p)
                state["buffer"].lerp_(p.grad, 1 - group["momentum"])
                by_shape.setdefault(p.shape, []).append((p, p.grad.lerp(state["buffer"], group["momentum"])))
            for shape, pairs in by_shape.items():
                updates = orthogonal(torch.stack([u for _, u in pairs]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for (p, _), update in zip(pairs, updates):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)


def optimizers(model, lr_matrix, lr_rest):
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "blocks" in n and "router" not in n]
    chosen = set(map(id, matrices))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [Muon(matrices, lr=lr_matrix), torch.optim.AdamW(rest, lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.0)]
