#!/usr/bin/env python3
"""Write references/NAME.f32: what the package transformers makes of the weights in tiny_models.py.

    make_references.py [NAME...]    needs torch and transformers; written with torch 2.15 and transformers 5.23

Each function below builds a family's configuration and names its tensors as transformers does; the implementation of the
family is theirs.  Two things are brought to the convention of the files: rotation of neighbouring pairs (GGUF's "normal"
kind) undoes the row order that converters apply, and GELU is rounded through half precision as docs/numerics.md says.
"""
import os
import sys

sys.dont_write_bytecode = True
import torch
import transformers
from transformers import activations

import tiny_models as tiny
from tiny_models import EMBD, FF, HEAD, HEADS, KV_HEADS, LAYERS, VOCAB

HERE = os.path.dirname(os.path.abspath(__file__))
COMMON = dict(vocab_size=VOCAB, hidden_size=EMBD, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=FF,
              max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation="eager")


class HalfGelu(torch.nn.Module):
    def forward(self, x):
        h = x.half().float()
        return torch.nn.functional.gelu(h, approximate="tanh").half().float()


for kind in ("gelu", "gelu_new", "gelu_pytorch_tanh"):
    activations.ACT2FN[kind] = HalfGelu


def half_split(w, heads):
    """Rows of neighbouring pairs to rows of halves: the inverse of what converters do for the "normal" rotation."""
    size = w.shape[0] // heads
    return w.reshape(heads, size // 2, 2, *w.shape[1:]).transpose(1, 2).reshape(w.shape)


def rope(theta, **more):
    return {"rope_type": "default", "rope_theta": theta, **more}


def layers(t, names, split=None):
    """The tensors of each layer: {transformers' name: our name}; split: {our name: heads} for half_split."""
    out = {}
    for i in range(LAYERS):
        for theirs, ours in names.items():
            w = t.get(f"blk.{i}.{ours}")
            if w is not None:
                part = ours.split(".")[0]
                out[f"model.layers.{i}.{theirs}"] = half_split(w, split[part]) if split and part in split else w
    return out


def both(theirs, ours):
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}


ENDS = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "model.norm.bias": "output_norm.bias",
        "lm_head.weight": "output.weight", "lm_head.bias": "output.bias"}
QKVO = {**both("self_attn.q_proj", "attn_q"), **both("self_attn.k_proj", "attn_k"), **both("self_attn.v_proj", "attn_v"),
        **both("self_attn.o_proj", "attn_output")}
GATED = {**both("mlp.gate_proj", "ffn_gate"), **both("mlp.up_proj", "ffn_up"), **both("mlp.down_proj", "ffn_down")}
NORMS = {**both("input_layernorm", "attn_norm"), **both("post_attention_layernorm", "ffn_norm")}
HEAD_NORMS = {"self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight"}
PAIRS = {"attn_q": HEADS, "attn_k": KV_HEADS}


def ends(t, names=None):
    return {theirs: t[ours] for theirs, ours in (names or ENDS).items() if ours in t}


def llama_like(t, kind, split=PAIRS, **config):
    config = getattr(transformers, kind + "Config")(**{**COMMON, "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-5, **config})
    return config, {**ends(t), **layers(t, {**QKVO, **GATED, **NORMS}, split)}


def olmo2(t):
    config, state = llama_like(t, "Olmo2", None, rope_parameters=rope(5e5))
    state.update(layers(t, {**HEAD_NORMS,
                            "post_attention_layernorm.weight": "post_attention_norm.weight",
                            "post_feedforward_layernorm.weight": "post_ffw_norm.weight"}))
    return config, state


def glm4(t):
    config = transformers.Glm4Config(**COMMON, num_key_value_heads=KV_HEADS, head_dim=HEAD, rms_norm_eps=1e-5, attention_bias=True,
                                     rope_parameters=rope(1e4, partial_rotary_factor=0.5), tie_word_embeddings=False)
    return config, {**ends(t), **layers(t, {**QKVO, "input_layernorm.weight": "attn_norm.weight",
                                            "post_self_attn_layernorm.weight": "post_attention_norm.weight",
                                            "post_attention_layernorm.weight": "ffn_norm.weight",
                                            "post_mlp_layernorm.weight": "post_ffw_norm.weight",
                                            "mlp.gate_up_proj.weight": "ffn_up.weight", "mlp.down_proj.weight": "ffn_down.weight"})}


def cohere2(t):
    config = transformers.Cohere2Config(**COMMON, num_key_value_heads=KV_HEADS, layer_norm_eps=1e-5, logit_scale=0.25, sliding_window=5,
                                        layer_types=["sliding_attention"] * 3 + ["full_attention"], rope_parameters=rope(5e4))
    return config, {**ends(t), **layers(t, {**QKVO, **GATED, **NORMS})}


def stablelm(t):
    large = "blk.0.attn_q_norm.weight" in t
    config = transformers.StableLmConfig(**COMMON, num_key_value_heads=KV_HEADS, layer_norm_eps=1e-5, use_qkv_bias=not large,
                                         qk_layernorm=large, use_parallel_residual=large,
                                         rope_parameters=rope(1e4, partial_rotary_factor=0.5))
    state = {**ends(t), **layers(t, {**QKVO, **GATED, **NORMS})}
    for i in range(LAYERS if large else 0):
        for part in "qk":
            for head, w in enumerate(t[f"blk.{i}.attn_{part}_norm.weight"]):
                state[f"model.layers.{i}.self_attn.{part}_layernorm.norms.{head}.weight"] = w
    return config, state


def falcon(t):
    large = "blk.0.attn_norm_2.weight" in t
    kv = KV_HEADS if large else 1
    config = transformers.FalconConfig(**{k: v for k, v in COMMON.items() if k != "intermediate_size"}, ffn_hidden_size=FF,
                                       num_kv_heads=kv, multi_query=not large, new_decoder_architecture=large, parallel_attn=True,
                                       bias=False, alibi=False, layer_norm_epsilon=1e-5, rope_parameters=rope(1e4), tie_word_embeddings=False)
    norms = {**both("ln_attn", "attn_norm_2"), **both("ln_mlp", "attn_norm")} if large else both("input_layernorm", "attn_norm")
    names = {**norms, "self_attention.dense.weight": "attn_output.weight", "mlp.dense_h_to_4h.weight": "ffn_up.weight",
             "mlp.dense_4h_to_h.weight": "ffn_down.weight"}
    state = layers(t, names)
    for i in range(LAYERS):
        q, k, v = t[f"blk.{i}.attn_qkv.weight"].split([HEADS * HEAD, kv * HEAD, kv * HEAD])
        groups = [torch.cat([a.reshape(kv, -1, EMBD)[g] for a in (q, k, v)]) for g in range(kv)]
        state[f"model.layers.{i}.self_attention.query_key_value.weight"] = torch.cat(groups)
    state = {k.replace("model.layers", "transformer.h"): v for k, v in state.items()}
    return config, {**state, **ends(t, {"transformer.word_embeddings.weight": "token_embd.weight", "lm_head.weight": "output.weight",
                                        **both("transformer.ln_f", "output_norm")})}


def starcoder2(t):
    config = transformers.Starcoder2Config(**COMMON, num_key_value_heads=KV_HEADS, norm_epsilon=1e-5, use_bias=True, rope_parameters=rope(1e5),
                                           sliding_window=None)
    return config, {**ends(t), **layers(t, {**QKVO, **NORMS, **both("mlp.c_fc", "ffn_up"), **both("mlp.c_proj", "ffn_down")})}


def gpt2(t):
    config = transformers.GPT2Config(vocab_size=VOCAB, n_positions=128, n_embd=EMBD, n_layer=LAYERS, n_head=HEADS, n_inner=FF,
                                     attn_implementation="eager", bos_token_id=1, eos_token_id=2)
    state = layers(t, {**both("ln_1", "attn_norm"), **both("ln_2", "ffn_norm"), **both("attn.c_attn", "attn_qkv"),
                       **both("attn.c_proj", "attn_output"), **both("mlp.c_fc", "ffn_up"), **both("mlp.c_proj", "ffn_down")})
    state = {k.replace("model.layers", "transformer.h"): v.T.contiguous() if ".c_" in k and v.ndim == 2 else v for k, v in state.items()}
    return config, {**state, **ends(t, {"transformer.wte.weight": "token_embd.weight", "transformer.wpe.weight": "position_embd.weight",
                                        **both("transformer.ln_f", "output_norm")})}


def phi2(t):
    config = transformers.PhiConfig(**COMMON, layer_norm_eps=1e-5, rope_parameters=rope(1e4, partial_rotary_factor=0.5))
    for i in range(LAYERS):
        for kind in ("weight", "bias"):
            fused = t.get(f"blk.{i}.attn_qkv.{kind}")
            if fused is not None:
                for part, w in zip("qkv", fused.chunk(3)):
                    t[f"blk.{i}.attn_{part}.{kind}"] = w
    names = {k.replace("o_proj", "dense"): v for k, v in QKVO.items()}
    state = layers(t, {**names, **both("input_layernorm", "attn_norm"), **both("mlp.fc1", "ffn_up"), **both("mlp.fc2", "ffn_down")})
    return config, {**state, **{k.replace("model.norm", "model.final_layernorm"): v for k, v in ends(t).items()}}


def gpt_oss(t):
    config = transformers.GptOssConfig(**COMMON, num_key_value_heads=KV_HEADS, head_dim=HEAD, rms_norm_eps=1e-5, num_local_experts=4,
                                       num_experts_per_tok=2, sliding_window=5, tie_word_embeddings=False,
                                       layer_types=["sliding_attention", "full_attention"] * 2,
                                       rope_parameters={"rope_type": "yarn", "rope_theta": 15e4, "factor": 32.0, "beta_fast": 32.0,
                                                        "beta_slow": 1.0, "original_max_position_embeddings": 64, "truncate": True})
    state = {**ends(t), **layers(t, {**QKVO, "self_attn.sinks": "attn_sinks.weight", "input_layernorm.weight": "attn_norm.weight",
                                     "post_attention_layernorm.weight": "post_attention_norm.weight", **both("mlp.router", "ffn_gate_inp")})}
    for i in range(LAYERS):
        b, e = f"blk.{i}.ffn_", f"model.layers.{i}.mlp.experts."
        pair = lambda kind: torch.stack([t[f"{b}gate_exps.{kind}"], t[f"{b}up_exps.{kind}"]], dim=2).flatten(1, 2)
        state[e + "gate_up_proj"] = pair("weight").transpose(1, 2).contiguous()
        state[e + "gate_up_proj_bias"] = pair("bias")
        state[e + "down_proj"] = t[f"{b}down_exps.weight"].transpose(1, 2).contiguous()
        state[e + "down_proj_bias"] = t[f"{b}down_exps.bias"]
    return config, state


def bitnet(t):
    config, state = llama_like(t, "BitNet", None, rope_parameters=rope(5e5), hidden_act="relu2", tie_word_embeddings=True)
    state.update(layers(t, {"self_attn.attn_sub_norm.weight": "attn_sub_norm.weight", "mlp.ffn_sub_norm.weight": "ffn_sub_norm.weight"}))
    return config, state


YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4, "llama_4_scaling_beta": 0.1, "max_position_embeddings": 128}


def mistral4(t):
    """As DeepSeek-V3, with a temperature and without groups of experts."""
    yarn = {**YARN, "original_max_position_embeddings": 3}
    return deepseek(t, "Mistral4", n_group=1, topk_group=1, routed_scaling_factor=1.0, norm_topk_prob=True, first_k_dense_replace=1,
                    rope_interleave=True, rope_parameters=yarn)


def minus_one(state):
    """Norms whose weights are stored less 1."""
    return {k: v - 1.0 if "norm" in k and k.endswith("weight") else v for k, v in state.items()}


def gemma2(t):
    config = transformers.Gemma2Config(**COMMON, num_key_value_heads=KV_HEADS, head_dim=HEAD, rms_norm_eps=1e-5, sliding_window=5,
                                       query_pre_attn_scalar=HEAD, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                                       layer_types=["sliding_attention", "full_attention"] * 2, rope_parameters=rope(1e4))
    norms = {f"{theirs}_layernorm.weight": f"{ours}.weight" for theirs, ours in (
        ("input", "attn_norm"), ("post_attention", "post_attention_norm"), ("pre_feedforward", "ffn_norm"),
        ("post_feedforward", "post_ffw_norm"))}
    return config, minus_one({**ends(t), **layers(t, {**QKVO, **GATED, **norms})})


def seed_oss(t):
    config, state = llama_like(t, "SeedOss", None, head_dim=HEAD, rope_parameters=rope(1e7), attention_bias=True, attention_out_bias=False,
                               tie_word_embeddings=False)
    return config, {**state, **layers(t, {"post_attention_layernorm.weight": "post_attention_norm.weight"})}


def nemotron(t):
    config = transformers.NemotronConfig(**COMMON, num_key_value_heads=KV_HEADS, head_dim=HEAD, norm_eps=1e-5, hidden_act="relu2",
                                         rope_parameters=rope(1e4, partial_rotary_factor=0.5), tie_word_embeddings=False)
    return config, minus_one({**ends(t), **layers(t, {**QKVO, **GATED, **NORMS})})


def command_r(t):
    config = transformers.CohereConfig(**COMMON, num_key_value_heads=KV_HEADS, layer_norm_eps=1e-5, logit_scale=0.25,
                                       use_qk_norm="blk.0.attn_q_norm.weight" in t, rope_parameters=rope(1e4))
    return config, {**ends(t), **layers(t, {**QKVO, **GATED, **NORMS, **HEAD_NORMS})}


def expert_tensors(t, moe):
    """moe: transformers' name of what has the experts in a layer."""
    out = {}
    for i in range(LAYERS):
        b, e = f"blk.{i}.ffn_", f"model.layers.{i}.{moe}experts."
        if f"{b}gate_exps.weight" in t:
            out[e + "gate_up_proj"] = torch.cat([t[f"{b}gate_exps.weight"], t[f"{b}up_exps.weight"]], dim=1)
            out[e + "down_proj"] = t[f"{b}down_exps.weight"]
    return out


def moe_like(t, kind, split=None, moe="mlp.", gate="gate", ffn_norm="ffn_norm", **config):
    config, state = llama_like(t, kind, split, **{"rope_parameters": rope(1e4), "num_experts_per_tok": 3, "tie_word_embeddings": False, **config})
    names = {**HEAD_NORMS, "post_attention_layernorm.weight": f"{ffn_norm}.weight", f"{moe}{gate}.weight": "ffn_gate_inp.weight",
             f"{moe}{gate}.e_score_correction_bias": "exp_probs_b.bias"}
    for part in ("gate", "up", "down"):
        names[f"{moe}shared_experts.{part}_proj.weight"] = f"ffn_{part}_shexp.weight"
    return config, {**state, **layers(t, names), **expert_tensors(t, moe)}


ROUTED = dict(n_routed_experts=tiny.N_EXPERTS, moe_intermediate_size=tiny.FF_EXPERT, first_k_dense_replace=1, n_group=1, topk_group=1,
              routed_scaling_factor=2.5, norm_topk_prob=True)


def minimax(t):
    """The bias for choosing experts lies beside the router."""
    config, state = moe_like(t, "MiniMaxM2", num_local_experts=tiny.N_EXPERTS, intermediate_size=tiny.FF_EXPERT, head_dim=HEAD,
                             rope_parameters=rope(5e6, partial_rotary_factor=0.5))
    return config, {k.replace("gate.e_score", "e_score"): v for k, v in state.items()}


def deepseek(t, kind, **more):
    v3 = kind != "DeepseekV2"
    config = getattr(transformers, kind + "Config")(**{
        **COMMON, **dict(num_key_value_heads=HEADS, rms_norm_eps=1e-6, kv_lora_rank=tiny.KV_RANK, q_lora_rank=tiny.Q_RANK if v3 else None,
        qk_nope_head_dim=tiny.PLAIN, qk_rope_head_dim=tiny.ROT, v_head_dim=tiny.V_HEAD, n_routed_experts=tiny.N_EXPERTS,
        num_experts_per_tok=3, moe_intermediate_size=tiny.FF_EXPERT, n_shared_experts=2, first_k_dense_replace=1, n_group=4, topk_group=2,
        routed_scaling_factor=2.0, norm_topk_prob=v3, tie_word_embeddings=False,
        rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 40.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0,
                         "mscale_all_dim": 1.0, "original_max_position_embeddings": 64} if v3 else rope(1e4),
        **({"rope_interleave": True} if v3 else {"topk_method": "group_limited_greedy"})), **more})
    names = {**QKVO, **GATED, **NORMS, **both("self_attn.q_a_proj", "attn_q_a"), **both("self_attn.q_a_layernorm", "attn_q_a_norm"),
             **both("self_attn.q_b_proj", "attn_q_b"), **both("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"),
             **both("self_attn.kv_a_layernorm", "attn_kv_a_norm"), **both("self_attn.kv_b_proj", "attn_kv_b"),
             "mlp.gate.weight": "ffn_gate_inp.weight", "mlp.gate.e_score_correction_bias": "exp_probs_b.bias"}
    for part in ("gate", "up", "down"):
        names[f"mlp.shared_experts.{part}_proj.weight"] = f"ffn_{part}_shexp.weight"
    return config, {**ends(t), **layers(t, names), **expert_tensors(t, "mlp.")}


FAMILIES = {
    "internlm2": lambda t: llama_like(t, "Llama", rope_parameters=rope(1e6), tie_word_embeddings=False),
    "granite": lambda t: llama_like(t, "Granite", rope_parameters=rope(1e4), embedding_multiplier=3.0, residual_multiplier=0.4,
                                    attention_multiplier=0.2, logits_scaling=1.7, tie_word_embeddings=True),
    "smollm3": lambda t: llama_like(t, "SmolLM3", rope_parameters=rope(2e6), no_rope_layers=[1, 1, 1, 0], tie_word_embeddings=True,
                                    use_sliding_window=False),
    "olmo2": olmo2, "glm4": glm4, "cohere2": cohere2, "stablelm": stablelm, "stablelm-12b": stablelm, "falcon-7b": falcon,
    "falcon-40b": falcon, "starcoder2": starcoder2, "gpt2": gpt2, "phi2": phi2, "gpt-oss": gpt_oss, "bitnet-b1.58": bitnet,
    "deepseek-v2": lambda t: deepseek(t, "DeepseekV2"), "deepseek-v3": lambda t: deepseek(t, "DeepseekV3"),
    "gemma2": gemma2, "mistral4": mistral4, "nemotron": nemotron, "command-r": command_r, "command-r-plus": command_r, "minimax-m2": minimax,
    "mistral3": lambda t: llama_like(t, "Ministral3", head_dim=HEAD, rope_parameters=dict(YARN), tie_word_embeddings=False),
    "arcee": lambda t: llama_like(t, "Arcee", rope_parameters=rope(1e4), hidden_act="relu2", tie_word_embeddings=False),
    "ernie4_5": lambda t: llama_like(t, "Ernie4_5", None, head_dim=HEAD, rope_parameters=rope(5e5), use_bias=False, tie_word_embeddings=True),
    "seed_oss": seed_oss,
    "olmoe": lambda t: moe_like(t, "Olmoe", num_experts=tiny.N_EXPERTS, intermediate_size=tiny.FF_EXPERT, norm_topk_prob=False),
    "granitemoe": lambda t: moe_like(t, "GraniteMoe", PAIRS, "block_sparse_moe.", "router", num_local_experts=tiny.N_EXPERTS, intermediate_size=tiny.FF_EXPERT,
                                     embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=1.7,
                                     tie_word_embeddings=True),
    "dots1": lambda t: moe_like(t, "Dots1", head_dim=HEAD, n_shared_experts=2, **ROUTED),
    "glm4moe": lambda t: moe_like(t, "Glm4Moe", ffn_norm="post_attention_norm", head_dim=HEAD, n_shared_experts=1, use_qk_norm=True,
                                  attention_bias=True, **{**ROUTED, "rope_parameters": rope(1e4, partial_rotary_factor=0.5)}),
}


def reference(model):
    t = {name: torch.tensor(data, dtype=torch.float32).reshape(model.shapes[name]) for name, data in model.tensors.items()}
    config, state = FAMILIES[model.name](t)
    net = getattr(transformers, type(config).__name__.replace("Config", "ForCausalLM"))(config).eval()
    for name, module in list(net.named_modules()):
        if isinstance(module, (torch.nn.GELU, activations.NewGELUActivation, activations.GELUTanh)):
            net.set_submodule(name, HalfGelu())
    missing, unexpected = net.load_state_dict(state, strict=False)
    missing = [k for k in missing if not (k == "lm_head.weight" and config.tie_word_embeddings)]
    if missing or unexpected:
        raise SystemExit(f"{model.name}: missing {missing}, unexpected {unexpected}")
    net.tie_weights()
    with torch.no_grad():
        return net(torch.tensor([tiny.TOKENS]), use_cache=False).logits[0].float()


def main():
    torch.set_num_threads(1)
    os.makedirs(os.path.join(HERE, "references"), exist_ok=True)
    for model in tiny.all_models():
        if "+" not in model.name and (len(sys.argv) < 2 or model.name in sys.argv[1:]):
            logits = reference(model)
            print(f"{model.name:16} rms {logits.square().mean().sqrt():.3f}")
            with open(os.path.join(HERE, "references", model.name + ".f32"), "wb") as f:
                f.write(logits.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    main()
