#!/usr/bin/env python3
"""Write the seeds of fuzz_snn_nir to corpus/snn_nir: small graphs in the byte language of nir_samples.h."""
import pathlib

TYPES = ("Input Output LIF LI IF I CubaLIF CubaLI Threshold Flatten Linear Affine Scale Conv1d Conv2d SumPool2d AvgPool2d "
         "Delay NIRGraph Nonsense").split()
PARAMS = ("tau r v_leak v_threshold v_reset tau_mem tau_syn w_in threshold weight bias scale shape delay stride padding "
          "dilation groups kernel_size input_shape input_type metadata").split()
F64, I64 = 1, 2


def number(name, dims, value, step=0, kind=F64):
    """A parameter whose elements begin at value and grow by step."""
    return bytes([PARAMS.index(name), kind, len(dims), *dims, int(value * 8) + 64, int(step * 64) + 128])


def whole(name, *values):
    step = values[1] - values[0] if len(values) > 1 else 0
    return number(name, [len(values)] if values[1:] else [], values[0], step, I64)


def node(kind, *params):
    return bytes([TYPES.index(kind), len(params)]) + b"".join(params)


def graph(nodes, edges):
    return bytes([len(nodes) - 1]) + b"".join(nodes) + bytes([len(edges), 0]) + b"".join(map(bytes, edges))


def port(kind, *shape):
    return node(kind, number("shape", [len(shape)], shape[0], shape[1] - shape[0] if shape[1:] else 0, I64))


def each(kind, n, **values):
    return node(kind, *(number(name, [n], value) for name, value in values.items()))


def lif(n):
    return each("LIF", n, tau=0.125, r=1, v_leak=0, v_threshold=1)


def cuba(n):
    return each("CubaLIF", n, tau_mem=0.125, tau_syn=0.125, r=1, v_leak=0, v_threshold=1, w_in=1, v_reset=0)


def chain(*nodes, extra=()):
    return graph(nodes, [(i, i + 1) for i in range(len(nodes) - 1)] + list(extra))


def convolution(kind, weight, extents):
    geometry = [number(name, [extents] if extents > 1 else [], value, 0, I64)
                for name, value in (("stride", 1), ("padding", 0), ("dilation", 1))]
    return node(kind, number("weight", weight, 0.5), number("bias", weight[:1], 0), *geometry, whole("groups", 1))


SEEDS = {
    "affine_lif_cuba": (1, 2, chain(port("Input", 3), node("Affine", number("weight", [4, 3], 1, .25), number("bias", [4], .5)),
                                    lif(4), node("Linear", number("weight", [2, 4], 2, -.25)), cuba(2), port("Output", 2))),
    "recurrent": (0, 16, graph([port("Input", 2), cuba(2), node("Linear", number("weight", [2, 2], .5)), port("Output", 2)],
                               [(0, 1), (1, 2), (2, 1), (1, 3)])),
    "delay_scale": (2, 16, chain(port("Input", 2), each("Scale", 2, scale=2), each("Delay", 2, delay=.5), lif(2),
                                 port("Output", 2))),
    "threshold": (20, 0, chain(port("Input", 2), each("Threshold", 2, threshold=1), each("I", 2, r=1), port("Output", 2))),
    "integrators": (0, 8, chain(port("Input", 2), each("IF", 2, r=1, v_threshold=1),
                                each("LI", 2, tau=.125, r=1, v_leak=0),
                                each("CubaLI", 2, tau_mem=.125, tau_syn=.125, r=1, v_leak=0, w_in=1), port("Output", 2))),
    "subgraph": (1, 16, chain(port("Input", 2), bytes([TYPES.index("NIRGraph")]) +
                              chain(port("Input", 2), lif(2), port("Output", 2)), port("Output", 2))),
    "conv1d": (0, 16, chain(port("Input", 2, 3), convolution("Conv1d", [2, 2, 2], 1), node("Flatten"), lif(4),
                            port("Output", 4))),
    "conv2d_pool": (0, 16, chain(port("Input", 2, 3, 4), convolution("Conv2d", [1, 2, 2, 2], 2),
                                 node("SumPool2d", whole("kernel_size", 2, 2), whole("stride", 1, 1), whole("padding", 0, 0)),
                                 node("Flatten"), lif(2), port("Output", 2))),
    "unknown": (0, 16, chain(port("Input", 2), node("Nonsense"), port("Output", 2))),
    "no_such_node": (0, 16, graph([port("Input", 2), lif(2), port("Output", 2)], [(0, 1), (1, 3), (2, 2)])),
}

folder = pathlib.Path(__file__).parent / "corpus" / "snn_nir"
folder.mkdir(parents=True, exist_ok=True)
for name, (flags, dt, body) in SEEDS.items():
    (folder / name).write_bytes(bytes([flags, dt]) + body)
