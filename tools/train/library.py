"""The finished models through the library itself: questions by nce_chat, figures by the nce command."""
import ctypes
import pathlib
import re
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_float, c_int, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

from data import run

HEADERS = pathlib.Path(__file__).resolve().parents[2] / "include" / "nce"
TEXT_FUNCTION = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_size_t)


def constant(header, name):
    """The value of an enumerator of a public header."""
    return int(re.search(rf"\b{name} = (\d+)", (HEADERS / header).read_text())[1])


class SamplerOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("seed", c_uint64), ("biases", c_void_p), ("n_biases", c_size_t),
                ("temperature", c_float), ("top_p", c_float), ("min_p", c_float), ("repeat_penalty", c_float),
                ("frequency_penalty", c_float), ("presence_penalty", c_float), ("top_k", c_uint32), ("penalty_window", c_uint32)]


class ChatOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("system_prompt", c_char_p), ("template_name", c_char_p),
                ("sampler", POINTER(SamplerOptions)), ("seq", c_uint32), ("max_tokens", c_uint32),
                ("template_text", c_char_p), ("template_variables", c_char_p)]


class Chat:
    """Questions and answers, each in a conversation of its own."""

    def __init__(self, library, path, preset="greedy", seed=0):
        self.lib = ctypes.CDLL(str(library))
        self.lib.nce_context_error.restype = c_char_p
        self.ctx, self.model, self.session, self.chat = c_void_p(), c_void_p(), c_void_p(), c_void_p()
        sampler = SamplerOptions(struct_size=ctypes.sizeof(SamplerOptions), seed=seed)
        options = ChatOptions(struct_size=ctypes.sizeof(ChatOptions), sampler=ctypes.pointer(sampler), max_tokens=400)
        self.check(self.lib.nce_sampler_preset(preset.encode(), byref(sampler)))
        self.check(self.lib.nce_context_create(None, byref(self.ctx)))
        self.check(self.lib.nce_model_load(self.ctx, str(path).encode(), None, byref(self.model)))
        self.check(self.lib.nce_session_create(self.model, None, byref(self.session)))
        self.check(self.lib.nce_chat_create(self.session, byref(options), byref(self.chat)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.lib.nce_context_error(self.ctx).decode() if self.ctx else f"status {status}")

    def ask(self, question):
        pieces = []

        def take(_, text, n):
            pieces.append(ctypes.string_at(text, n))
            return True

        self.lib.nce_chat_reset(self.chat)
        self.check(self.lib.nce_chat_send(self.chat, question.encode(), TEXT_FUNCTION(take), None, byref(c_int())))
        return b"".join(pieces).decode("utf-8", "replace")

    def metric(self, which):
        """0 for a model that has no such figure."""
        value = c_double()
        return value.value if self.lib.nce_session_metric(self.session, which, byref(value)) == 0 else 0.0

    def close(self):
        for name in ("chat", "session", "model"):
            getattr(self.lib, f"nce_{name}_destroy")(getattr(self, name))
        self.lib.nce_context_destroy(self.ctx)


def accuracy(library, model, questions):
    """{category: share of answers that are right word for word}, the share of all, and that of zeros behind ReLU^2."""
    chat, right = Chat(library, model), {}
    for category, ask, answer in questions:
        right.setdefault(category, []).append(chat.ask(ask) == answer)
    zeros = chat.metric(constant("metrics.h", "NCE_METRIC_ZERO_ACTIVATIONS"))
    chat.close()
    return {name: sum(r) / len(r) for name, r in right.items()}, sum(map(sum, right.values())) / len(questions), zeros


def perplexity(nce, model, tokens):
    last = run(nce, "perplexity", model, "--tokens", tokens, "--ctx", 256, "--quiet").strip().splitlines()[-1]
    return float(last.split()[1])


def acceptance(nce, model, draft, ids, work, n_ctx=256):
    """Share of positions where the draft's best token is the model's, along a text: what greedy speculation accepts."""
    same = []
    for at in range(0, len(ids) - n_ctx, n_ctx):
        tokens = work / "window.tokens"
        tokens.write_text(" ".join(map(str, ids[at:at + n_ctx])))
        best = []
        for path in (model, draft):
            out = work / "window.f32"
            run(nce, "logits", path, "--tokens", tokens, "--out", out)
            best.append(np.fromfile(out, dtype=np.float32).reshape(n_ctx, -1).argmax(-1))
        same.append(best[0] == best[1])
    return np.array(same)
