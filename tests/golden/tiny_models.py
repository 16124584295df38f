"""Tiny models of random weights, one or more for each family whose files other engines' goldens do not cover.

Everything follows from the names: a tensor's values are drawn from a generator seeded with the model's and the tensor's
name, so the weights are the same wherever this runs and need not be stored.  Only the standard library is used.
"""
import array
import math
import random
import struct

VOCAB, EMBD, LAYERS, HEADS, KV_HEADS, HEAD, FF = 64, 32, 4, 4, 2, 8, 64
TOKENS = [1, 17, 42, 5, 63, 8, 8, 30, 21, 55, 3, 12, 47, 9, 60, 33]


class Model:
    """Metadata and tensors of one tiny GGUF file.  Shapes are [rows, row length], with matrices in front for experts."""

    def __init__(self, name, arch, meta, tied=False):
        self.name, self.arch, self.tensors, self.shapes = name, arch, {}, {}
        self.meta = {"context_length": 128, "embedding_length": EMBD, "block_count": LAYERS, "attention.head_count": HEADS,
                     "attention.head_count_kv": KV_HEADS, "feed_forward_length": FF, **meta}
        self.add("token_embd.weight", [VOCAB, EMBD], 1.0)
        if not tied:
            self.add("output.weight", [VOCAB, EMBD])

    def add(self, name, shape, spread=None):
        """spread: of uniform values round 0; None: what keeps a product's deviation at 1."""
        rng = random.Random(f"{self.name}/{name}")
        spread = math.sqrt(3.0 / shape[-1]) if spread is None else spread
        self._put(name, shape, (spread * (2.0 * rng.random() - 1.0) for _ in range(math.prod(shape))))

    def norm(self, name, n, bias=False):
        rng = random.Random(f"{self.name}/{name}")
        shape = n if isinstance(n, list) else [n]
        self._put(f"{name}.weight", shape, (0.7 + 0.6 * rng.random() for _ in range(math.prod(shape))))
        if bias:
            self.add(f"{name}.bias", shape, 0.3)

    def linear(self, name, rows, k, bias=False):
        self.add(f"{name}.weight", [rows, k])
        if bias:
            self.add(f"{name}.bias", [rows], 0.3)

    def _put(self, name, shape, values):
        self.tensors[name] = array.array("f", values)
        self.shapes[name] = shape

    # ---- usual parts of a layer ----
    def qkv(self, b, bias=False, fused=False, kv_heads=KV_HEADS):
        if fused:
            self.linear(f"{b}.attn_qkv", (HEADS + 2 * kv_heads) * HEAD, EMBD, bias)
            return
        for part, heads in (("q", HEADS), ("k", kv_heads), ("v", kv_heads)):
            self.linear(f"{b}.attn_{part}", heads * HEAD, EMBD, bias)

    def gated(self, b, bias=False, ff=FF):
        for part in ("gate", "up"):
            self.linear(f"{b}.ffn_{part}", ff, EMBD, bias)
        self.linear(f"{b}.ffn_down", EMBD, ff, bias)

    def plain(self, b, bias=False):
        self.linear(f"{b}.ffn_up", FF, EMBD, bias)
        self.linear(f"{b}.ffn_down", EMBD, FF, bias)

    def experts(self, b, n, ff, bias=False):
        for part, shape in (("gate", [n, ff, EMBD]), ("up", [n, ff, EMBD]), ("down", [n, EMBD, ff])):
            self.add(f"{b}.ffn_{part}_exps.weight", shape)
            if bias:
                self.add(f"{b}.ffn_{part}_exps.bias", shape[:2], 0.3)

    # ---- the file ----
    def write(self, path):
        def string(s):
            s = s.encode()
            return struct.pack("<Q", len(s)) + s

        def value(v):
            if isinstance(v, bool):
                return struct.pack("<IB", 7, v)
            if isinstance(v, int):
                return struct.pack("<II", 4, v)
            if isinstance(v, float):
                return struct.pack("<If", 6, v)
            if isinstance(v, str):
                return struct.pack("<I", 8) + string(v)
            kind, pack = {int: (5, lambda x: struct.pack("<i", x)), float: (6, lambda x: struct.pack("<f", x)), str: (8, string)}[type(v[0])]
            return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(map(pack, v))

        meta = {"general.architecture": self.arch}
        meta.update({f"{self.arch}.{k}": v for k, v in self.meta.items()})
        pieces = ["<unk>", "<s>", "</s>"] + [chr(0x21 + i) for i in range(VOCAB - 3)]
        meta.update({"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": pieces,
                     "tokenizer.ggml.scores": [-float(i) for i in range(VOCAB)],
                     "tokenizer.ggml.token_type": [2, 3, 3] + [1] * (VOCAB - 3)})
        out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(meta)))
        for k, v in meta.items():
            out += string(k) + value(v)
        at = 0
        for name, data in self.tensors.items():
            shape = self.shapes[name]
            out += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, at)
            at += (4 * len(data) + 31) // 32 * 32
        for data in self.tensors.values():
            out += b"\0" * (-len(out) % 32) + struct.pack(f"<{len(data)}f", *data)
        out += b"\0" * (-len(out) % 32)
        with open(path, "wb") as f:
            f.write(out)


RMS = {"attention.layer_norm_rms_epsilon": 1e-5}
LAYER_NORM = {"attention.layer_norm_epsilon": 1e-5}


def llama_like(name, arch, meta, tied=False, qkv_bias=False, ffn_norm="ffn_norm", gated=True):
    m = Model(name, arch, {**RMS, "rope.dimension_count": HEAD, **meta}, tied)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b, bias=qkv_bias)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.{ffn_norm}", EMBD)
        m.gated(b) if gated else m.plain(b)
    return m


def moe_like(name, arch, meta, qk_norm=None, dense=0, shared=0, bias=False, qkv_bias=False, ffn_norm="ffn_norm", tied=False):
    """Llama with experts.  qk_norm: "heads" or "all"; dense: layers without experts; shared: width of the shared expert;
    bias: of the router, for choosing only."""
    m = Model(name, arch, {**RMS, "rope.dimension_count": HEAD, "expert_count": N_EXPERTS, "expert_used_count": 3,
                           "expert_feed_forward_length": FF_EXPERT, **meta}, tied)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b, bias=qkv_bias)
        for part, heads in (("q", HEADS), ("k", KV_HEADS)) if qk_norm else ():
            m.norm(f"{b}.attn_{part}_norm", HEAD * (heads if qk_norm == "all" else 1))
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.{ffn_norm}", EMBD)
        if i < dense:
            m.gated(b)
            continue
        m.linear(f"{b}.ffn_gate_inp", N_EXPERTS, EMBD)
        if bias:
            m.add(f"{b}.exp_probs_b.bias", [N_EXPERTS], 0.2)
        m.experts(b, N_EXPERTS, FF_EXPERT)
        for part, rows, k in (("gate", shared, EMBD), ("up", shared, EMBD), ("down", EMBD, shared)) if shared else ():
            m.linear(f"{b}.ffn_{part}_shexp", rows, k)
    return m


def gemma2():
    m = Model("gemma2", "gemma2", {**RMS, "attention.key_length": HEAD, "attention.value_length": HEAD, "attention.sliding_window": 5,
                                   "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}, tied=True)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            m.norm(f"{b}.{norm}", EMBD)
        m.qkv(b)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.gated(b)
    return m


def nemotron():
    m = Model("nemotron", "nemotron", {**LAYER_NORM, "rope.dimension_count": HEAD // 2})
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        m.qkv(b)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.ffn_norm", EMBD, bias=True)
        m.plain(b)
    return m


def command_r(qk_norm):
    """qk_norm: Command R+, with norms of each head."""
    m = Model("command-r-plus" if qk_norm else "command-r", "command-r", {**LAYER_NORM, "logit_scale": 0.25}, tied=True)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b)
        if qk_norm:
            m.norm(f"{b}.attn_q_norm", [HEADS, HEAD])
            m.norm(f"{b}.attn_k_norm", [KV_HEADS, HEAD])
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.gated(b)
    return m


def olmo2():
    m = Model("olmo2", "olmo2", {**RMS, "rope.freq_base": 5e5})
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.qkv(b)
        m.norm(f"{b}.attn_q_norm", HEADS * HEAD)
        m.norm(f"{b}.attn_k_norm", KV_HEADS * HEAD)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.post_attention_norm", EMBD)
        m.gated(b)
        m.norm(f"{b}.post_ffw_norm", EMBD)
    return m


def glm4():
    m = Model("glm4", "glm4", {**RMS, "rope.dimension_count": HEAD // 2, "rope.freq_base": 1e4})
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b, bias=True)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.post_attention_norm", EMBD)
        m.norm(f"{b}.ffn_norm", EMBD)
        m.linear(f"{b}.ffn_up", 2 * FF, EMBD)
        m.linear(f"{b}.ffn_down", EMBD, FF)
        m.norm(f"{b}.post_ffw_norm", EMBD)
    return m


def cohere2():
    m = Model("cohere2", "cohere2", {**LAYER_NORM, "attention.sliding_window": 5, "logit_scale": 0.25,
                                     "rope.dimension_count": HEAD, "rope.freq_base": 5e4}, tied=True)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.gated(b)
    return m


def stablelm(large):
    """large: StableLM 2 12B, parallel and with norms of each head."""
    m = Model("stablelm-12b" if large else "stablelm", "stablelm", {**LAYER_NORM, "rope.dimension_count": 4, "use_parallel_residual": large})
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        m.qkv(b, bias=not large)
        if large:
            m.norm(f"{b}.attn_q_norm", [HEADS, HEAD])
            m.norm(f"{b}.attn_k_norm", [KV_HEADS, HEAD])
        else:
            m.norm(f"{b}.ffn_norm", EMBD, bias=True)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.gated(b)
    return m


def falcon(large):
    """large: Falcon 40B, grouped queries and two norms; else 7B: one head of keys, one norm."""
    kv_heads = KV_HEADS if large else 1
    m = Model("falcon-40b" if large else "falcon-7b", "falcon", {**LAYER_NORM, "attention.head_count_kv": kv_heads})
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        if large:
            m.norm(f"{b}.attn_norm_2", EMBD, bias=True)
        m.qkv(b, fused=True, kv_heads=kv_heads)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.plain(b)
    return m


def starcoder2():
    m = Model("starcoder2", "starcoder2", {**LAYER_NORM, "rope.freq_base": 1e5}, tied=True)
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        m.qkv(b, bias=True)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD, bias=True)
        m.norm(f"{b}.ffn_norm", EMBD, bias=True)
        m.plain(b, bias=True)
    return m


def gpt2():
    m = Model("gpt2", "gpt2", {**LAYER_NORM, "attention.head_count_kv": HEADS}, tied=True)
    m.add("position_embd.weight", [128, EMBD], 0.5)
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        m.qkv(b, bias=True, fused=True, kv_heads=HEADS)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD, bias=True)
        m.norm(f"{b}.ffn_norm", EMBD, bias=True)
        m.plain(b, bias=True)
    return m


def phi2():
    m = Model("phi2", "phi2", {**LAYER_NORM, "attention.head_count_kv": HEADS, "rope.dimension_count": 4})
    m.add("output.bias", [VOCAB], 0.3)
    m.norm("output_norm", EMBD, bias=True)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD, bias=True)
        m.qkv(b, bias=True, fused=i % 2 == 0, kv_heads=HEADS)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD, bias=True)
        m.plain(b, bias=True)
    return m


def gpt_oss():
    n_experts = 4
    m = Model("gpt-oss", "gpt-oss", {**RMS, "attention.key_length": HEAD, "attention.value_length": HEAD, "attention.sliding_window": 5,
                                     "expert_count": n_experts, "expert_used_count": 2, "expert_feed_forward_length": FF,
                                     "rope.freq_base": 15e4, "rope.scaling.type": "yarn", "rope.scaling.factor": 32.0,
                                     "rope.scaling.original_context_length": 64})
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b, bias=True)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD, bias=True)
        m.add(f"{b}.attn_sinks.weight", [HEADS], 1.0)
        m.norm(f"{b}.post_attention_norm", EMBD)
        m.linear(f"{b}.ffn_gate_inp", n_experts, EMBD, bias=True)
        m.experts(b, n_experts, FF, bias=True)
    return m


def bitnet_b158():
    m = Model("bitnet-b1.58", "bitnet-b1.58", {**RMS, "rope.freq_base": 5e5}, tied=True)
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        m.qkv(b)
        m.norm(f"{b}.attn_sub_norm", HEADS * HEAD)
        m.linear(f"{b}.attn_output", EMBD, HEADS * HEAD)
        m.norm(f"{b}.ffn_norm", EMBD)
        m.gated(b)
        m.norm(f"{b}.ffn_sub_norm", FF)
    return m


# DeepSeek: head sizes of the plain and the rotated part, of values, ranks, experts.
PLAIN, ROT, V_HEAD, KV_RANK, Q_RANK, N_EXPERTS, FF_EXPERT = 32, 16, 32, 64, 32, 8, 32


def deepseek2(name, meta, split, v3, arch="deepseek2"):
    """split: attn_k_b and attn_v_b (the same function as attn_kv_b, drawn from it); v3: low-rank queries, sigmoid routing."""
    sizes = {"attention.key_length_mla": PLAIN + ROT, "attention.value_length_mla": V_HEAD, "attention.key_length": KV_RANK + ROT,
             "attention.value_length": KV_RANK, "attention.head_count_kv": 1} if split else {
                 "attention.key_length": PLAIN + ROT, "attention.value_length": V_HEAD, "attention.head_count_kv": HEADS}
    m = Model(name.split("+")[0], arch, {**sizes, "attention.layer_norm_rms_epsilon": 1e-6, "rope.dimension_count": ROT, "attention.kv_lora_rank": KV_RANK,
                                  "leading_dense_block_count": 1, "expert_count": N_EXPERTS, "expert_used_count": 3,
                                  "expert_feed_forward_length": FF_EXPERT, "expert_shared_count": 2, **meta})
    m.norm("output_norm", EMBD)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm", EMBD)
        if v3:
            m.linear(f"{b}.attn_q_a", Q_RANK, EMBD)
            m.norm(f"{b}.attn_q_a_norm", Q_RANK)
            m.linear(f"{b}.attn_q_b", HEADS * (PLAIN + ROT), Q_RANK)
        else:
            m.linear(f"{b}.attn_q", HEADS * (PLAIN + ROT), EMBD)
        m.linear(f"{b}.attn_kv_a_mqa", KV_RANK + ROT, EMBD)
        m.norm(f"{b}.attn_kv_a_norm", KV_RANK)
        m.linear(f"{b}.attn_kv_b", HEADS * (PLAIN + V_HEAD), KV_RANK)
        m.linear(f"{b}.attn_output", EMBD, HEADS * V_HEAD)
        m.norm(f"{b}.ffn_norm", EMBD)
        if i == 0:
            m.gated(b)
            continue
        m.linear(f"{b}.ffn_gate_inp", N_EXPERTS, EMBD)
        if v3 and arch == "deepseek2":
            m.add(f"{b}.exp_probs_b.bias", [N_EXPERTS], 0.2)
        m.experts(b, N_EXPERTS, FF_EXPERT)
        for part, rows, k in (("gate", 2 * FF_EXPERT, EMBD), ("up", 2 * FF_EXPERT, EMBD), ("down", EMBD, 2 * FF_EXPERT)):
            m.linear(f"{b}.ffn_{part}_shexp", rows, k)
    if split:
        for i in range(LAYERS):
            split_kv_b(m, f"blk.{i}")
    m.name = name
    return m


def split_kv_b(m, b):
    kv_b = m.tensors.pop(f"{b}.attn_kv_b.weight")
    del m.shapes[f"{b}.attn_kv_b.weight"]
    at = lambda head, row, c: kv_b[(head * (PLAIN + V_HEAD) + row) * KV_RANK + c]
    m._put(f"{b}.attn_k_b.weight", [HEADS, KV_RANK, PLAIN],
           (at(h, d, c) for h in range(HEADS) for c in range(KV_RANK) for d in range(PLAIN)))
    m._put(f"{b}.attn_v_b.weight", [HEADS, V_HEAD, KV_RANK],
           (at(h, PLAIN + d, c) for h in range(HEADS) for d in range(V_HEAD) for c in range(KV_RANK)))


V2 = {"expert_group_count": 4, "expert_group_used_count": 2, "expert_weights_scale": 2.0}
V3 = {**V2, "attention.q_lora_rank": Q_RANK, "expert_weights_norm": True, "expert_gating_func": 2, "rope.scaling.type": "yarn",
      "rope.scaling.factor": 40.0, "rope.scaling.original_context_length": 64, "rope.scaling.yarn_log_multiplier": 0.1}


# The temperature has a step every 4 positions.
YARN = {"rope.freq_base": 1e6, "rope.scaling.type": "yarn", "rope.scaling.factor": 16.0, "rope.scaling.original_context_length": 4}
MISTRAL3 = {**YARN, "rope.scaling.yarn_log_multiplier": 1.0, "attention.temperature_scale": 0.1}
MISTRAL4 = {**MISTRAL3, "rope.scaling.yarn_log_multiplier": 0.1, "attention.q_lora_rank": Q_RANK, "expert_weights_norm": True,
            "attention.temperature_length": 3}
SIGMOID = {"expert_gating_func": 2, "expert_weights_norm": True}


def all_models():
    """A name before "+" is the reference's: both forms of a DeepSeek layer must give its logits."""
    return [
        llama_like("internlm2", "internlm2", {"rope.freq_base": 1e6}),
        llama_like("granite", "granite", {"embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.2, "logit_scale": 1.7}, tied=True),
        llama_like("smollm3", "smollm3", {"rope.freq_base": 2e6}, tied=True),
        olmo2(), glm4(), cohere2(), stablelm(False), stablelm(True), falcon(False), falcon(True), starcoder2(), gpt2(), phi2(),
        gpt_oss(), bitnet_b158(),
        deepseek2("deepseek-v2", V2, False, False), deepseek2("deepseek-v2+split", V2, True, False),
        deepseek2("deepseek-v3", V3, False, True), deepseek2("deepseek-v3+split", V3, True, True),
        gemma2(), llama_like("mistral3", "mistral3", MISTRAL3),
        deepseek2("mistral4", MISTRAL4, False, True, "mistral4"), deepseek2("mistral4+split", MISTRAL4, True, True, "mistral4"),
        llama_like("arcee", "arcee", {}, gated=False), llama_like("ernie4_5", "ernie4_5", {"rope.freq_base": 5e5}, tied=True),
        llama_like("seed_oss", "seed_oss", {"rope.freq_base": 1e7}, qkv_bias=True, ffn_norm="post_attention_norm"),
        nemotron(), command_r(False), command_r(True), moe_like("olmoe", "olmoe", {}, "all"),
        moe_like("granitemoe", "granitemoe", {"embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.2, "logit_scale": 1.7}, tied=True),
        moe_like("dots1", "dots1", {**SIGMOID, "expert_weights_scale": 2.5, "expert_shared_count": 2, "leading_dense_block_count": 1}, "heads",
                 dense=1, shared=2 * FF_EXPERT, bias=True),
        moe_like("glm4moe", "glm4moe", {**SIGMOID, "block_count": LAYERS + 1, "nextn_predict_layers": 1, "rope.dimension_count": HEAD // 2, "expert_weights_scale": 2.5, "expert_shared_count": 1,
                                        "leading_dense_block_count": 1}, "heads", dense=1, shared=FF_EXPERT, bias=True, qkv_bias=True,
                 ffn_norm="post_attention_norm"),
        moe_like("minimax-m2", "minimax-m2", {**SIGMOID, "rope.dimension_count": HEAD // 2, "rope.freq_base": 5e6}, "all", bias=True),
    ]
