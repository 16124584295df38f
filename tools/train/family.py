"""The members of the family: shape, text, length of training."""
from dataclasses import dataclass

from network import Shape

N_VOCAB, VOCABULARY_SEED = 1024, 7


@dataclass
class Member:
    shape: Shape
    n_steps: int           # of 16 rows of 256 tokens
    seed: int
    mix: str = "all"       # of corpus.MIXES
    n_tokens: int = 8_000_000  # of text made; read again when the steps need more
    extra: float = 0.0     # weight of the balance loss (experts) or of the mean activation (ternary)


FAMILY = {
    "tiny": Member(Shape(N_VOCAB), 2400, 11),
    "tiny-draft": Member(Shape(N_VOCAB, n_embd=128, n_layers=2, n_heads=4, n_kv_heads=2, n_ff=256), 1200, 12),
    "tiny-moe": Member(Shape(N_VOCAB, n_ff=128, n_experts=8), 1800, 13, extra=0.01),
    "tiny-ternary": Member(Shape(N_VOCAB, n_ff=768, ternary=True), 2000, 14),
    "expert-arithmetic": Member(Shape(N_VOCAB, n_embd=128, n_heads=4, n_ff=384), 1200, 15, "arithmetic", 4_000_000),
    "expert-stories": Member(Shape(N_VOCAB, n_embd=128, n_heads=4, n_ff=384), 800, 16, "stories", 4_000_000),
}
