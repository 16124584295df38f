/* Reading a NIR file with HDF5: root group "node" (a NIRGraph) with "edges" (pairs of names) and "nodes"/<name>/{type, ...}.
 * A node of type NIRGraph is dissolved into its parent: its Input and Output become nodes that pass everything on. */
#include "src/snn/nir/graph.h"
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 8, MAX_ELEMENTS = 1 << 27 };

static const struct {
    const char *name;
    nce_nir_type type;
} types[] = {
    {"Input", NCE_NIR_INPUT},
    {"Output", NCE_NIR_OUTPUT},
    {"LIF", NCE_NIR_LIF},
    {"LI", NCE_NIR_LI},
    {"IF", NCE_NIR_IF},
    {"I", NCE_NIR_I},
    {"CubaLIF", NCE_NIR_CUBALIF},
    {"CubaLI", NCE_NIR_CUBALI},
    {"Threshold", NCE_NIR_THRESHOLD},
    {"Flatten", NCE_NIR_PASS},
    {"Linear", NCE_NIR_LINEAR},
    {"Affine", NCE_NIR_LINEAR},
    {"Scale", NCE_NIR_SCALE},
    {"Conv1d", NCE_NIR_CONV1D},
    {"Conv2d", NCE_NIR_CONV2D},
    {"SumPool2d", NCE_NIR_SUMPOOL},
    {"AvgPool2d", NCE_NIR_AVGPOOL},
    {"Delay", NCE_NIR_DELAY},
};

static nce_status bad(const nce_nir_graph *g, const char *node, const char *what)
{
    return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: node '%s': %s", g->path, node, what);
}

/* ---- values ---- */

/* The strings of a dataset, each copied (at most 127 bytes) to out[i*128]; n strings exactly. */
static nce_status read_strings(const nce_nir_graph *g, hid_t set, const char *node, size_t n, char *out)
{
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    nce_status status = NCE_OK;
    if (type < 0 || H5Tget_class(type) != H5T_STRING || points < 0 || (size_t)points != n) {
        status = bad(g, node, "expected text");
    } else if (H5Tis_variable_str(type) > 0) {
        char **texts = nce_alloc_array(g->ctx, n, sizeof *texts);
        const hid_t memory = H5Tcopy(H5T_C_S1);
        H5Tset_size(memory, H5T_VARIABLE);
        H5Tset_cset(memory, H5Tget_cset(type));
        if (texts == NULL)
            status = nce_fail_nomem(g->ctx, n * sizeof *texts);
        else if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) < 0)
            status = bad(g, node, "text cannot be read");
        for (size_t i = 0; i < n && status == NCE_OK; i++) {
            if (texts[i] == NULL || strlen(texts[i]) > 127)
                status = bad(g, node, "a name is missing or longer than 127 bytes");
            else
                snprintf(out + i * 128, 128, "%s", texts[i]);
        }
        if (texts != NULL && n > 0 && texts[0] != NULL) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, texts);
        nce_free(g->ctx, texts);
        H5Tclose(memory);
    } else {
        const size_t size = H5Tget_size(type);
        char *text = size <= 4096 ? nce_alloc_array(g->ctx, n + 1, size + 1) : NULL;
        if (text == NULL)
            status = size > 4096 ? bad(g, node, "text is too long") : nce_fail_nomem(g->ctx, n * size);
        else if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
            status = bad(g, node, "text cannot be read");
        for (size_t i = 0; i < n && status == NCE_OK; i++)
            snprintf(out + i * 128, 128, "%.*s", (int)(size < 127 ? size : 127), text + i * size);
        nce_free(g->ctx, text);
    }
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return status;
}

static nce_status read_type(const nce_nir_graph *g, hid_t group, const char *node, char out[128])
{
    const hid_t set = H5Lexists(group, "type", H5P_DEFAULT) > 0 ? H5Dopen2(group, "type", H5P_DEFAULT) : -1;
    if (set < 0) return bad(g, node, "it has no type");
    const nce_status status = read_strings(g, set, node, 1, out);
    H5Dclose(set);
    return status;
}

static nce_status read_numbers(const nce_nir_graph *g, hid_t set, const nce_nir_node *node, nce_nir_param *p)
{
    hsize_t dim[NCE_NIR_MAX_DIMS] = {0};
    const hid_t space = H5Dget_space(set);
    const int rank = H5Sget_simple_extent_ndims(space);
    nce_status status = NCE_OK;
    if (rank < 0 || rank > NCE_NIR_MAX_DIMS || (rank > 0 && H5Sget_simple_extent_dims(space, dim, NULL) < 0))
        status = bad(g, node->name, "a parameter has more than 4 dimensions");
    p->n = 1;
    p->n_dims = rank > 0 ? (size_t)rank : 0;
    for (int k = 0; k < rank && status == NCE_OK; k++) {
        p->dim[k] = (size_t)dim[k];
        if (dim[k] > MAX_ELEMENTS || (p->n *= (size_t)dim[k]) > MAX_ELEMENTS)
            status = bad(g, node->name, "a parameter has more than 2^27 elements");
    }
    if (status == NCE_OK && (p->data = nce_alloc_array(g->ctx, p->n, sizeof *p->data)) == NULL)
        status = nce_fail_nomem(g->ctx, p->n * sizeof *p->data);
    if (status == NCE_OK && p->n > 0 && H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, p->data) < 0)
        status = bad(g, node->name, "a parameter cannot be read");
    for (size_t i = 0; i < p->n && status == NCE_OK; i++)
        if (!(p->data[i] >= -1e30 && p->data[i] <= 1e30))
            status = nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: node '%s': %s[%zu] is %g", g->path, node->name, p->name, i,
                              p->data[i]);
    if (space >= 0) H5Sclose(space);
    return status;
}

static nce_status read_param(const nce_nir_graph *g, hid_t group, nce_nir_node *node, const char *name)
{
    nce_nir_param *p = &node->param[node->n_params];
    if (strcmp(name, "type") == 0 || strcmp(name, "metadata") == 0) return NCE_OK;
    if (node->n_params == NCE_NIR_MAX_PARAMS || strlen(name) >= sizeof p->name)
        return bad(g, node->name, "too many parameters");
    snprintf(p->name, sizeof p->name, "%s", name);
    const hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0) return NCE_OK; /* a group: metadata of some writer */
    node->n_params++;
    const hid_t type = H5Dget_type(set);
    nce_status status;
    if (type >= 0 && H5Tget_class(type) == H5T_STRING) {
        char text[128];
        p->text = true;
        status = read_strings(g, set, node->name, 1, text);
        p->same = status == NCE_OK && strcmp(text, "same") == 0;
    } else {
        status = read_numbers(g, set, node, p);
    }
    if (type >= 0) H5Tclose(type);
    H5Dclose(set);
    return status;
}

/* ---- structure ---- */

/* Where edges of a level begin and end: for a dissolved subgraph its Output and Input. */
typedef struct port {
    char name[128];
    uint32_t in, out;
} port;

static nce_status link_name(const nce_nir_graph *g, hid_t group, hsize_t i, char out[128])
{
    const ssize_t n = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, out, 128, H5P_DEFAULT);
    return n > 0 && n < 128 ? NCE_OK : bad(g, "?", "a name is empty or longer than 127 bytes");
}

static nce_status member_count(const nce_nir_graph *g, hid_t group, const char *name, hsize_t *n)
{
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0 || info.nlinks > NCE_NIR_MAX_NODES)
        return bad(g, name, "group with more than 4096 members");
    *n = info.nlinks;
    return NCE_OK;
}

/* Kept for one message that names all; the graph is read on as if the node did nothing. */
static void note_unsupported(nce_nir_graph *g, const char *full, const char *type)
{
    const size_t used = strlen(g->unsupported), room = sizeof g->unsupported - used;
    g->n_unsupported++;
    if (snprintf(g->unsupported + used, room, "%s'%s' (%s)", used > 0 ? ", " : "", full, type) >= (int)room)
        g->unsupported[used] = '\0'; /* it is counted */
}

static nce_status read_node(nce_nir_graph *g, hid_t group, const char *full, const char *type, unsigned depth, port *at)
{
    nce_nir_node node = {.type = NCE_NIR_PASS};
    hsize_t n = 0;
    size_t k = 0;
    snprintf(node.name, sizeof node.name, "%s", full);
    while (k < sizeof types / sizeof *types && strcmp(types[k].name, type) != 0)
        k++;
    const bool known = k < sizeof types / sizeof *types;
    if (!known) note_unsupported(g, full, type);
    if (known) node.type = depth > 0 && types[k].type <= NCE_NIR_OUTPUT ? NCE_NIR_PASS : types[k].type;
    nce_status status = known ? member_count(g, group, full, &n) : NCE_OK;
    for (hsize_t i = 0; i < n && status == NCE_OK; i++) {
        char name[128];
        status = link_name(g, group, i, name);
        if (status == NCE_OK) status = read_param(g, group, &node, name);
    }
    if (status == NCE_OK)
        status = nce_grow(g->ctx, (void **)&g->nodes, &g->nodes_capacity, g->n_nodes + 1, sizeof node);
    if (status == NCE_OK && g->n_nodes == NCE_NIR_MAX_NODES) status = bad(g, full, "more than 4096 nodes");
    if (status != NCE_OK) {
        for (size_t i = 0; i < node.n_params; i++)
            nce_free(g->ctx, node.param[i].data);
        return status;
    }
    at->in = at->out = (uint32_t)g->n_nodes;
    g->nodes[g->n_nodes++] = node;
    return NCE_OK;
}

/* The node of an edge's name.  Published files name one node of a subgraph differently in its edges: a name without a node
 * means the only node without an edge, if there is just one. */
static size_t find_port(const nce_nir_graph *g, const char *name, const port *ports, size_t n_ports, const char *names,
                        size_t n_names)
{
    size_t orphan = n_ports, orphans = 0;
    for (size_t i = 0; i < n_ports; i++) {
        if (strcmp(ports[i].name, name) == 0) return i;
        size_t k = 0;
        while (k < n_names && strcmp(names + k * 128, ports[i].name) != 0)
            k++;
        if (k < n_names) continue;
        orphan = i;
        orphans++;
    }
    if (orphans != 1) return n_ports;
    nce_log(g->ctx, NCE_LOG_WARNING, "%s: an edge names '%s', which is no node: taken for '%s'", g->path, name,
            ports[orphan].name);
    return orphan;
}

static nce_status read_edges(nce_nir_graph *g, hid_t group, const char *name, const port *ports, size_t n_ports)
{
    hsize_t dim[2] = {0};
    const hid_t set = H5Lexists(group, "edges", H5P_DEFAULT) > 0 ? H5Dopen2(group, "edges", H5P_DEFAULT) : -1;
    if (set < 0) return bad(g, name, "the graph has no edges");
    const hid_t space = H5Dget_space(set);
    nce_status status = NCE_OK;
    char *names = NULL;
    if (H5Sget_simple_extent_ndims(space) != 2 || H5Sget_simple_extent_dims(space, dim, NULL) < 0 || dim[1] != 2 ||
        dim[0] > 1 << 20)
        status = bad(g, name, "edges are no list of pairs");
    if (status == NCE_OK && (names = nce_alloc_array(g->ctx, (size_t)dim[0] * 2, 128)) == NULL)
        status = nce_fail_nomem(g->ctx, (size_t)dim[0] * 256);
    if (status == NCE_OK && dim[0] > 0) status = read_strings(g, set, name, (size_t)dim[0] * 2, names);
    for (size_t e = 0; e < dim[0] && status == NCE_OK; e++) {
        const char *from = names + e * 256, *to = from + 128;
        const size_t a = find_port(g, from, ports, n_ports, names, (size_t)dim[0] * 2);
        const size_t b = find_port(g, to, ports, n_ports, names, (size_t)dim[0] * 2);
        if (a == n_ports || b == n_ports) {
            status = nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: graph '%s': edge '%s' -> '%s' names no node", g->path, name,
                              from, to);
            break;
        }
        status = nce_grow(g->ctx, (void **)&g->edges, &g->edges_capacity, g->n_edges + 1, sizeof *g->edges);
        if (status == NCE_OK) g->edges[g->n_edges++] = (nce_nir_edge){ports[a].out, ports[b].in};
    }
    nce_free(g->ctx, names);
    if (space >= 0) H5Sclose(space);
    H5Dclose(set);
    return status;
}

static nce_status read_graph(nce_nir_graph *g, hid_t group, const char *prefix, unsigned depth, port *outer);

static nce_status read_member(nce_nir_graph *g, hid_t nodes, const char *prefix, unsigned depth, port *at, port *outer)
{
    char full[128], type[128];
    if (snprintf(full, sizeof full, "%s%s%s", prefix, *prefix ? "." : "", at->name) >= (int)sizeof full)
        return bad(g, at->name, "its full name is longer than 127 bytes");
    const hid_t group = H5Gopen2(nodes, at->name, H5P_DEFAULT);
    if (group < 0) return bad(g, full, "it is no group");
    nce_status status = read_type(g, group, full, type);
    if (status == NCE_OK && strcmp(type, "NIRGraph") == 0) {
        if (depth == MAX_DEPTH)
            status = bad(g, full, "subgraphs are nested more than 8 deep");
        else
            status = read_graph(g, group, full, depth + 1, at);
    } else if (status == NCE_OK) {
        status = read_node(g, group, full, type, depth, at);
        uint32_t *port_of = strcmp(type, "Input") == 0 ? &outer->in : strcmp(type, "Output") == 0 ? &outer->out : NULL;
        if (status == NCE_OK && port_of != NULL && depth > 0) {
            if (*port_of != UINT32_MAX)
                status = nce_fail(g->ctx, NCE_ERR_UNSUPPORTED, "%s: subgraph '%s' has several inputs or outputs",
                                  g->path, prefix);
            *port_of = at->in;
        }
    }
    H5Gclose(group);
    return status;
}

static nce_status read_graph(nce_nir_graph *g, hid_t group, const char *prefix, unsigned depth, port *outer)
{
    const char *shown = *prefix ? prefix : "node";
    hsize_t n = 0;
    outer->in = outer->out = UINT32_MAX;
    const hid_t nodes = H5Lexists(group, "nodes", H5P_DEFAULT) > 0 ? H5Gopen2(group, "nodes", H5P_DEFAULT) : -1;
    if (nodes < 0) return bad(g, shown, "the graph has no nodes");
    nce_status status = member_count(g, nodes, shown, &n);
    port *ports = status == NCE_OK ? nce_alloc_array(g->ctx, (size_t)n, sizeof *ports) : NULL;
    if (status == NCE_OK && ports == NULL) status = nce_fail_nomem(g->ctx, (size_t)n * sizeof *ports);
    for (hsize_t i = 0; i < n && status == NCE_OK; i++) {
        status = link_name(g, nodes, i, ports[i].name);
        if (status == NCE_OK) status = read_member(g, nodes, prefix, depth, &ports[i], outer);
    }
    if (status == NCE_OK && depth > 0 && (outer->in == UINT32_MAX || outer->out == UINT32_MAX))
        status = bad(g, shown, "the subgraph lacks an Input or an Output");
    if (status == NCE_OK) status = read_edges(g, group, shown, ports, (size_t)n);
    nce_free(g->ctx, ports);
    H5Gclose(nodes);
    return status;
}

nce_status nce_nir_read(nce_nir_graph *g)
{
    H5E_auto2_t print;
    void *print_data;
    port root;
    char type[128];
    nce_status status;
    H5Eget_auto2(H5E_DEFAULT, &print, &print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* HDF5 would print to stderr */
    const hid_t file = H5Fopen(g->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t group = file >= 0 ? H5Gopen2(file, "node", H5P_DEFAULT) : -1;
    FILE *readable = file < 0 ? fopen(g->path, "rb") : NULL;
    if (file < 0 && readable == NULL)
        status = nce_fail(g->ctx, NCE_ERR_IO, "%s: cannot be opened", g->path);
    else if (file < 0)
        status = nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: no HDF5 file, or a damaged one", g->path);
    else if (group < 0)
        status = nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: no NIR file: it has no group 'node'", g->path);
    else
        status = read_type(g, group, "node", type);
    if (status == NCE_OK && strcmp(type, "NIRGraph") != 0) status = bad(g, "node", "the root is no NIRGraph");
    if (status == NCE_OK) status = read_graph(g, group, "", 0, &root);
    if (status == NCE_OK && g->n_unsupported > 0)
        status = nce_fail(g->ctx, NCE_ERR_UNSUPPORTED, "%s: %zu nodes of types that are not supported: %s", g->path,
                          g->n_unsupported, g->unsupported);
    if (readable != NULL) fclose(readable);
    if (group >= 0) H5Gclose(group);
    if (file >= 0) H5Fclose(file);
    H5Eset_auto2(H5E_DEFAULT, print, print_data);
    return status;
}
