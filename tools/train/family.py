"""The members of the family: what they are for, shape, text, length of training, and the type they are shipped in."""
from dataclasses import dataclass

from network import Shape

N_VOCAB, VOCABULARY_SEED = 1024, 7
ALL = ("addition", "subtraction", "counting", "colours", "days", "opposites", "sorting", "comparing")
SUMS = ("addition", "subtraction", "comparing", "sorting", "counting")


@dataclass
class Member:
    about: str
    shape: Shape
    n_steps: int               # of 4,096 tokens
    seed: int
    mix: str = "all"           # of corpus.MIXES
    n_tokens: int = 14_000_000  # of text made; read again when the steps need more
    n_row: int = 256           # tokens of a row; the context that the model is for
    extra: float = 0.0         # weight of the balance loss (experts) or of open gates (ternary)
    parent: str = ""           # member whose weights it starts from
    rate: float = 0.02         # of Muon
    asked: tuple = ALL         # categories of the held-out questions it must answer
    type_name: str = "q8_0"    # of the shipped file; "": none
    quantize: tuple = ()       # further options of nce quantize


FAMILY = {
    "tiny-base": Member("The first part of the training of tiny: everything.", Shape(N_VOCAB), 3400, 11, type_name=""),
    "tiny-practice": Member(
        "The second part of the training of tiny: what is hard.", Shape(N_VOCAB), 1300, 17, "practice", 5_000_000,
        parent="tiny-base", rate=0.01, type_name=""),
    "tiny": Member(
        "The bundled chat model: answers questions about libnce, does small sums, sorts short lists and tells stories.",
        Shape(N_VOCAB), 600, 18, "conversation", 3_000_000, n_row=512, parent="tiny-practice", rate=0.005),
    "tiny-draft": Member(
        "A draft for speculative decoding with tiny: the same vocabulary and text at a sixth of the size.",
        Shape(N_VOCAB, n_embd=128, n_layers=2, n_heads=4, n_kv_heads=2, n_ff=256), 1000, 12, "conversation", 5_000_000,
        n_row=512, asked=()),
    "tiny-moe": Member(
        "tiny with experts: every layer has eight feed-forward networks of which each token takes two.",
        Shape(N_VOCAB, n_ff=128, n_experts=8), 800, 13, "conversation", 4_000_000, n_row=512, extra=0.01, parent="tiny",
        rate=0.01),
    "tiny-ternary": Member(
        "tiny trained with weights of -1, 0 and 1 (BitNet b1.58) and ReLU^2 gates, so that most of what enters the down "
        "projection is exactly zero.",
        Shape(N_VOCAB, n_ff=768, ternary=True), 900, 14, "practice", 5_000_000, extra=2.0, parent="tiny",
        type_name="tq2_0", quantize=("--pure", "--absmean", "--tensor", "token_embd.weight=q8_0")),
    "expert-arithmetic": Member(
        "A small expert for the swarm: sums, counting, sorting and comparing numbers, and nothing else.",
        Shape(N_VOCAB, n_embd=128, n_heads=4, n_ff=384), 3000, 15, "arithmetic", 6_000_000, asked=SUMS),
    "expert-stories": Member(
        "A small expert for the swarm: stories, and nothing else.",
        Shape(N_VOCAB, n_embd=128, n_heads=4, n_ff=384), 1500, 16, "stories", 4_000_000, asked=()),
}
