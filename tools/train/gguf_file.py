"""Write a trained network as a GGUF file of 32-bit floats: the master that nce quantize makes the shipped file from."""
import numpy as np
from gguf import GGUFReader, GGUFWriter

from corpus import CHAT_TEMPLATE
from network import NORM_EPS


def interleaved(weight, n_heads):
    """Rows of each head from half-split rotary order to pairs, which the Llama architecture wants."""
    rows, columns = weight.shape
    return weight.reshape(n_heads, 2, rows // n_heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def layer_tensors(block, shape):
    """(name, array) of one layer."""
    a, f = block.attention, block.feed_forward
    pairs = not shape.ternary
    yield "attn_norm.weight", block.attn_norm
    yield "attn_q.weight", interleaved(array(a.q.weight), shape.n_heads) if pairs else a.q.weight
    yield "attn_k.weight", interleaved(array(a.k.weight), shape.n_kv_heads) if pairs else a.k.weight
    yield "attn_v.weight", a.v.weight
    yield "attn_output.weight", a.o.weight
    yield "ffn_norm.weight", block.ffn_norm
    if shape.ternary:
        yield "attn_sub_norm.weight", a.sub_norm
        yield "ffn_sub_norm.weight", f.sub_norm
    if not shape.n_experts:
        yield from (("ffn_gate.weight", f.gate.weight), ("ffn_up.weight", f.up.weight), ("ffn_down.weight", f.down.weight))
        return
    experts = shape.n_experts, shape.n_ff, shape.n_embd
    yield "ffn_gate_inp.weight", f.router
    yield "ffn_gate_exps.weight", array(f.gate.weight).reshape(experts)
    yield "ffn_up_exps.weight", array(f.up.weight).reshape(experts)
    yield "ffn_down_exps.weight", array(f.down.weight).reshape(shape.n_embd, *experts[:2]).swapaxes(0, 1)


def array(tensor):
    values = tensor.detach().numpy() if hasattr(tensor, "detach") else tensor
    return np.ascontiguousarray(values, dtype=np.float32)


def put_vocabulary(w, path):
    fields = GGUFReader(path).fields
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(fields["tokenizer.ggml.pre"].contents())
    tokens = fields["tokenizer.ggml.tokens"].contents()
    w.add_token_list(tokens)
    w.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    w.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    w.add_bos_token_id(tokens.index("<|endoftext|>"))
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_pad_token_id(tokens.index("<|endoftext|>"))
    w.add_add_bos_token(False)
    w.add_chat_template(CHAT_TEMPLATE)


def put_shape(w, s, n_ctx):
    w.add_vocab_size(s.n_vocab)
    w.add_context_length(n_ctx)
    w.add_embedding_length(s.n_embd)
    w.add_block_count(s.n_layers)
    w.add_feed_forward_length(s.n_ff)
    w.add_head_count(s.n_heads)
    w.add_head_count_kv(s.n_kv_heads)
    w.add_rope_dimension_count(s.n_head_dim)
    w.add_rope_freq_base(s.rope_base)
    w.add_layer_norm_rms_eps(NORM_EPS)
    if s.n_experts:
        w.add_expert_count(s.n_experts)
        w.add_expert_used_count(s.n_used)
        w.add_expert_feed_forward_length(s.n_ff)


def write(path, name, description, model, n_ctx, vocabulary):
    s = model.s
    w = GGUFWriter(path, "bitnet-b1.58" if s.ternary else "llama")
    w.add_name(name)
    w.add_description(description)
    w.add_license("mit")
    w.add_languages(["en"])
    put_shape(w, s, n_ctx)
    put_vocabulary(w, vocabulary)
    w.add_tensor("token_embd.weight", array(model.embed))
    for i, block in enumerate(model.blocks):
        for suffix, value in layer_tensors(block, s):
            w.add_tensor(f"blk.{i}.{suffix}", array(value))
    w.add_tensor("output_norm.weight", array(model.out_norm))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
