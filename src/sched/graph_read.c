/* Graphs from text: the Graph Modelling Language as the Internet Topology Zoo (www.topology-zoo.org) writes it, and the
 * shortest-path format of the 9th DIMACS challenge.  Memory is proportional to the text; nesting is counted, not
 * recursed. */
#include "src/sched/graph.h"
#include "src/sched/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 32, LABEL_BYTES = 128, MAX_DEPTH = 64 };

typedef struct reader {
    nce_graph *graph;
    const char *name;
    nce_text text;
} reader;

static nce_status bad(const reader *r, const char *what)
{
    return nce_fail(r->graph->ctx, NCE_ERR_FORMAT, "%.100s: line %zu: %s", r->name, r->text.line, what);
}

/* ---- DIMACS ---- */

static void skip_line(nce_text *t)
{
    while (t->at < t->end && *t->at != '\n')
        t->at++;
}

static nce_status dimacs_problem(reader *r, uint32_t first)
{
    nce_text *t = &r->text;
    uint64_t n, m;
    nce_text_space(t);
    if (!nce_text_word(t, "sp")) return bad(r, "the problem is not 'sp'");
    nce_text_space(t);
    if (!nce_text_whole(t, UINT32_MAX, &n)) return bad(r, "no number of vertices");
    nce_text_space(t);
    if (!nce_text_whole(t, UINT32_MAX, &m)) return bad(r, "no number of links");
    /* A line "a 1 2 3" is at least 7 bytes long, so a longer promise is a lie; isolated vertices need no bytes, which
     * is why their number is held against the text too. */
    if (m > (uint64_t)(t->end - t->at) / 7 + 1) return bad(r, "more links promised than the file can hold");
    if (n > 2 * m + 1024) return bad(r, "more vertices promised than links can use");
    for (uint64_t i = 1; i <= n; i++) {
        char label[24];
        snprintf(label, sizeof label, "%llu", (unsigned long long)(first + i));
        const nce_status status = nce_graph_add_vertex(r->graph, label, NULL, NULL);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

static nce_status dimacs_arc(reader *r, uint32_t first, uint64_t n)
{
    nce_text *t = &r->text;
    uint64_t from, to;
    nce_link_metrics m = {0, 0, 0};
    nce_text_space(t);
    if (!nce_text_whole(t, n, &from) || from == 0) return bad(r, "no such start vertex");
    nce_text_space(t);
    if (!nce_text_whole(t, n, &to) || to == 0) return bad(r, "no such end vertex");
    nce_text_space(t);
    if (!nce_text_number(t, &m.latency_s)) return bad(r, "no weight");
    if (!(m.latency_s >= 0 && m.latency_s <= NCE_MAX_METRIC)) return bad(r, "the weight is negative or exceeds 1e30");
    if (from == to) return NCE_OK;
    return nce_graph_add_link(r->graph, first + (uint32_t)from - 1, first + (uint32_t)to - 1, &m, NULL);
}

static nce_status read_dimacs(reader *r)
{
    nce_text *t = &r->text;
    const uint32_t first = (uint32_t)r->graph->n_vertices;
    bool problem = false;
    for (nce_text_space(t); t->at < t->end; nce_text_space(t)) {
        const char kind = *t->at++;
        nce_status status = NCE_OK;
        if (kind == 'p' && !problem) {
            status = dimacs_problem(r, first);
            problem = true;
        } else if (kind == 'a' && problem) {
            status = dimacs_arc(r, first, r->graph->n_vertices - first);
        } else if (kind == 'c') {
            skip_line(t);
        } else {
            return bad(r, "neither a comment, the one problem line, nor an arc after it");
        }
        if (status != NCE_OK) return status;
    }
    return problem ? NCE_OK : bad(r, "no problem line");
}

/* ---- GML ---- */

typedef struct gml_node {
    int64_t id;
    uint32_t vertex;
    double longitude, latitude; /* NAN: unknown */
} gml_node;

typedef struct gml_edge {
    int64_t from, to;
} gml_edge;

typedef struct gml {
    gml_node *nodes;
    gml_edge *edges;
    size_t n_nodes, node_capacity, n_edges, edge_capacity;
    bool directed;
} gml;

/* The fields of the list being read. */
typedef struct gml_item {
    double id, source, target, longitude, latitude; /* NAN: absent */
    char label[LABEL_BYTES];
} gml_item;

static const gml_item empty_item = {NAN, NAN, NAN, NAN, NAN, ""};

static bool is_id(double x)
{
    return x >= -9e15 && x <= 9e15 && x == floor(x);
}

static nce_status end_node(reader *r, gml *f, const gml_item *item)
{
    nce_graph *g = r->graph;
    if (!is_id(item->id)) return bad(r, "a node without a whole id");
    nce_status status = nce_grow(g->ctx, (void **)&f->nodes, &f->node_capacity, f->n_nodes + 1, sizeof *f->nodes);
    if (status != NCE_OK) return status;
    char name[LABEL_BYTES + 24];
    uint32_t vertex;
    /* Labels repeat ("None", several sites in one town); then the id makes them unique. */
    snprintf(name, sizeof name, "%s", item->label);
    const bool taken = name[0] != '\0' && g->names_size > 0 && nce_graph_find_vertex(g, name, &vertex) == NCE_OK;
    if (taken || name[0] == '\0') snprintf(name, sizeof name, "%s#%.0f", item->label, item->id);
    status = nce_graph_add_vertex(g, name, NULL, &vertex);
    if (status == NCE_ERR_INVALID) return bad(r, "the node's label and id exist already");
    if (status != NCE_OK) return status;
    f->nodes[f->n_nodes++] = (gml_node){(int64_t)item->id, vertex, item->longitude, item->latitude};
    return NCE_OK;
}

static nce_status end_edge(reader *r, gml *f, const gml_item *item)
{
    if (!is_id(item->source) || !is_id(item->target)) return bad(r, "an edge without source and target");
    nce_status status =
        nce_grow(r->graph->ctx, (void **)&f->edges, &f->edge_capacity, f->n_edges + 1, sizeof *f->edges);
    if (status != NCE_OK) return status;
    f->edges[f->n_edges++] = (gml_edge){(int64_t)item->source, (int64_t)item->target};
    return NCE_OK;
}

static bool gml_key(nce_text *t, char key[KEY_BYTES])
{
    size_t n = 0;
    while (t->at < t->end && ((*t->at >= 'a' && *t->at <= 'z') || (*t->at >= 'A' && *t->at <= 'Z') ||
                              (*t->at >= '0' && *t->at <= '9') || *t->at == '_')) {
        if (n + 1 < KEY_BYTES) key[n++] = *t->at;
        t->at++;
    }
    key[n] = '\0';
    return n > 0;
}

/* A quoted text; out receives what fits. */
static bool gml_text(nce_text *t, char out[LABEL_BYTES])
{
    size_t n = 0;
    if (!nce_text_word(t, "\"")) return false;
    while (t->at < t->end && *t->at != '"') {
        t->line += *t->at == '\n';
        if (n + 1 < LABEL_BYTES) out[n++] = *t->at;
        t->at++;
    }
    out[n] = '\0';
    return nce_text_word(t, "\"");
}

/* A number of an item (depth 2 inside graph and node or edge) or of the graph itself (depth 1). */
static void gml_number(gml *f, gml_item *item, int depth, const char *key, double value)
{
    if (depth == 1 && strcmp(key, "directed") == 0) f->directed = value != 0;
    if (depth != 2) return;
    if (strcmp(key, "id") == 0) item->id = value;
    if (strcmp(key, "source") == 0) item->source = value;
    if (strcmp(key, "target") == 0) item->target = value;
    if (strcmp(key, "Longitude") == 0) item->longitude = value;
    if (strcmp(key, "Latitude") == 0) item->latitude = value;
}

static nce_status parse_gml(reader *r, gml *f)
{
    nce_text *t = &r->text;
    gml_item item = empty_item;
    enum { OTHER, NODE, EDGE } kind = OTHER;
    int depth = 0;
    bool in_graph = false, seen_graph = false;
    for (nce_text_space(t); t->at < t->end; nce_text_space(t)) {
        char key[KEY_BYTES], text[LABEL_BYTES];
        double value;
        nce_status status = NCE_OK;
        if (nce_text_word(t, "]")) {
            if (depth-- == 0) return bad(r, "a ']' too many");
            if (depth == 1 && kind == NODE) status = end_node(r, f, &item);
            if (depth == 1 && kind == EDGE) status = end_edge(r, f, &item);
            if (depth <= 1) kind = OTHER;
            if (depth == 0) in_graph = false;
            if (status != NCE_OK) return status;
            continue;
        }
        if (!gml_key(t, key)) return bad(r, "a key is expected");
        nce_text_space(t);
        if (nce_text_word(t, "[")) {
            if (++depth > MAX_DEPTH) return bad(r, "lists nested deeper than 64");
            if (depth == 1) seen_graph |= in_graph = strcmp(key, "graph") == 0;
            if (depth == 2 && in_graph) {
                item = empty_item;
                kind = strcmp(key, "node") == 0 ? NODE : strcmp(key, "edge") == 0 ? EDGE : OTHER;
            }
        } else if (gml_text(t, text)) {
            if (depth == 2 && strcmp(key, "label") == 0) memcpy(item.label, text, sizeof text);
        } else if (nce_text_number(t, &value)) {
            gml_number(f, &item, in_graph ? depth : 0, key, value);
        } else {
            return bad(r, "the value is no number, text or list");
        }
    }
    if (depth != 0) return bad(r, "the file ends inside a list");
    return seen_graph ? NCE_OK : bad(r, "no graph");
}

/* Great-circle distance at two thirds of the speed of light. */
static double fibre_latency(const gml_node *a, const gml_node *b)
{
    const double radius_m = 6371000, speed = 2.0 / 3.0 * 299792458, degree = 0.017453292519943295;
    if (isnan(a->longitude) || isnan(a->latitude) || isnan(b->longitude) || isnan(b->latitude)) return 1e-3;
    const double dlat = (b->latitude - a->latitude) * degree / 2, dlon = (b->longitude - a->longitude) * degree / 2;
    const double h =
        sin(dlat) * sin(dlat) + cos(a->latitude * degree) * cos(b->latitude * degree) * sin(dlon) * sin(dlon);
    return 2 * radius_m * asin(fmin(1, sqrt(h))) / speed;
}

static nce_status add_edges(reader *r, gml *f)
{
    nce_graph *g = r->graph;
    size_t size = 16;
    while (size < 2 * f->n_nodes)
        size *= 2;
    uint32_t *slot = nce_alloc_array(g->ctx, size, sizeof *slot); /* node + 1 by id, open addressing */
    if (slot == NULL) return nce_fail_nomem(g->ctx, size * sizeof *slot);
    nce_status status = NCE_OK;
    for (size_t i = 0; i < f->n_nodes && status == NCE_OK; i++) {
        size_t at = (uint64_t)f->nodes[i].id * 0x9e3779b97f4a7c15u >> 32 & (size - 1);
        for (; slot[at] != 0; at = (at + 1) & (size - 1))
            if (f->nodes[slot[at] - 1].id == f->nodes[i].id) status = bad(r, "two nodes have the same id");
        slot[at] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < f->n_edges && status == NCE_OK; i++) {
        const gml_node *ends[2] = {NULL, NULL};
        for (int k = 0; k < 2; k++) {
            const int64_t id = k == 0 ? f->edges[i].from : f->edges[i].to;
            size_t at = (uint64_t)id * 0x9e3779b97f4a7c15u >> 32 & (size - 1);
            for (; slot[at] != 0 && ends[k] == NULL; at = (at + 1) & (size - 1))
                if (f->nodes[slot[at] - 1].id == id) ends[k] = &f->nodes[slot[at] - 1];
        }
        if (ends[0] == NULL || ends[1] == NULL) status = bad(r, "an edge names a node that does not exist");
        if (status != NCE_OK || ends[0] == ends[1]) continue;
        const nce_link_metrics m = {fibre_latency(ends[0], ends[1]), 0, 0};
        status = nce_graph_add_link(g, ends[0]->vertex, ends[1]->vertex, &m, NULL);
        if (status == NCE_OK && !f->directed)
            status = nce_graph_add_link(g, ends[1]->vertex, ends[0]->vertex, &m, NULL);
    }
    nce_free(g->ctx, slot);
    return status;
}

nce_status nce_graph_read(nce_graph *g, const char *name, const char *text, size_t size, nce_graph_format format)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (text == NULL || name == NULL) return nce_fail(g->ctx, NCE_ERR_INVALID, "nce_graph_read: an argument is NULL");
    reader r = {g, name, {text, text + size, 1}};
    if (format == NCE_GRAPH_DIMACS) return read_dimacs(&r);
    if (format != NCE_GRAPH_GML) return nce_fail(g->ctx, NCE_ERR_INVALID, "nce_graph_read: no format %d", (int)format);
    gml f = {.directed = false};
    nce_status status = parse_gml(&r, &f);
    if (status == NCE_OK) status = add_edges(&r, &f);
    nce_free(g->ctx, f.nodes);
    nce_free(g->ctx, f.edges);
    return status;
}
