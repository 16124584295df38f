/* NIR files from bytes, for tests and the fuzzer: the bytes say which nodes there are, which parameters of which shapes and
 * types they have, and which names the edges join.  Everything that is read is well-formed HDF5: what is tried is our reader,
 * not the HDF5 library, whose own damage handling is not ours to test.  Bytes past the end read as 0. */
#ifndef NCE_TESTS_NIR_SAMPLES_H
#define NCE_TESTS_NIR_SAMPLES_H
#include <hdf5.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct nir_bytes {
    const uint8_t *at, *end;
} nir_bytes;

static inline unsigned nir_byte(nir_bytes *b, unsigned below)
{
    return b->at < b->end ? *b->at++ % below : 0;
}

/* The last two are a subgraph and a node of no known type. */
static const char *const nir_types[] = {"Input",  "Output",    "LIF",       "LI",     "IF",       "I",       "CubaLIF",
                                        "CubaLI", "Threshold", "Flatten",   "Linear", "Affine",   "Scale",   "Conv1d",
                                        "Conv2d", "SumPool2d", "AvgPool2d", "Delay",  "NIRGraph", "Nonsense"};
static const char *const nir_params[] = {
    "tau",       "r",      "v_leak",      "v_threshold", "v_reset",    "tau_mem", "tau_syn", "w_in",
    "threshold", "weight", "bias",        "scale",       "shape",      "delay",   "stride",  "padding",
    "dilation",  "groups", "kernel_size", "input_shape", "input_type", "metadata"};
enum { NIR_N_TYPES = 20, NIR_N_PARAMS = 22, NIR_GRAPH = 18, NIR_MOST_NODES = 12, NIR_DEEPEST = 10 };

static inline void nir_put_text(hid_t group, const char *name, const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0) {
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text);
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Tclose(type);
}

/* Name, kind (number types or text), rank, extents, first value, difference between values. */
static inline void nir_put_param(hid_t group, nir_bytes *b)
{
    static const char *const texts[] = {"same", "valid", ""};
    const char *name = nir_params[nir_byte(b, NIR_N_PARAMS)];
    const unsigned kind = nir_byte(b, 4), rank = nir_byte(b, 6);
    hsize_t dim[5] = {1, 1, 1, 1, 1}, n = 1;
    double values[7776], value;
    if (kind == 3) {
        nir_put_text(group, name, texts[nir_byte(b, 3)]);
        return;
    }
    for (unsigned k = 0; k < rank; k++)
        n *= dim[k] = nir_byte(b, 7);
    value = (nir_byte(b, 256) - 64.0) / 8;
    const double step = (nir_byte(b, 256) - 128.0) / 64;
    for (hsize_t i = 0; i < n && i < 7776; i++, value += step)
        values[i] = value;
    if (n > 7776) return;
    const hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple((int)rank, dim, NULL);
    const hid_t set = H5Dcreate2(group, name,
                                 kind == 0   ? H5T_IEEE_F32LE
                                 : kind == 1 ? H5T_IEEE_F64LE
                                             : H5T_STD_I64LE,
                                 space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0) {
        if (n > 0) H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(set);
    }
    H5Sclose(space);
}

static inline void nir_put_edges(hid_t group, nir_bytes *b, unsigned n_nodes)
{
    char names[NIR_MOST_NODES + 1][8];
    const char *pairs[64];
    const unsigned n = nir_byte(b, 32);
    const hsize_t dim[2] = {n, nir_byte(b, 16) == 15 ? 1 : 2};
    for (unsigned i = 0; i <= n_nodes; i++) /* the last one is no node */
        snprintf(names[i], sizeof names[i], "n%u", i);
    for (unsigned i = 0; i < 2 * n; i++)
        pairs[i] = names[nir_byte(b, 64) % (n_nodes + 1)];
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(2, dim, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t set = H5Dcreate2(group, "edges", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0) {
        if (n > 0) H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pairs);
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Tclose(type);
}

static inline void nir_put_graph(hid_t group, nir_bytes *b, unsigned depth)
{
    const unsigned n_nodes = 1 + nir_byte(b, NIR_MOST_NODES);
    const hid_t nodes = H5Gcreate2(group, "nodes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    nir_put_text(group, "type", "NIRGraph");
    for (unsigned i = 0; i < n_nodes; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%u", i);
        const hid_t node = H5Gcreate2(nodes, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        const unsigned type = nir_byte(b, NIR_N_TYPES);
        if (type == NIR_GRAPH && depth < NIR_DEEPEST) {
            nir_put_graph(node, b, depth + 1);
        } else {
            nir_put_text(node, "type", nir_types[type]);
            for (unsigned k = nir_byte(b, 10); k > 0; k--)
                nir_put_param(node, b);
        }
        H5Gclose(node);
    }
    nir_put_edges(group, b, n_nodes);
    H5Gclose(nodes);
}

/* Write the file the bytes describe; false if it cannot be written. */
static inline int nir_write(const char *path, const uint8_t *data, size_t size)
{
    nir_bytes b = {data, data + size};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (file < 0) return 0;
    const hid_t root = H5Gcreate2(file, "node", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    nir_put_graph(root, &b, 0);
    H5Gclose(root);
    return H5Fclose(file) >= 0;
}

#endif
