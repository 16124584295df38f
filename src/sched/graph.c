/* Building and changing a routing graph.  Names live in a small open-addressing table; costs are recombined from the
 * metrics whenever one of them changes, so that searches never see the three parts. */
#include "src/sched/graph.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(sizeof(nce_graph_options) == 32, "ABI: grows only at the end");
enum { MAX_ITEMS = 1 << 30 };

double nce_graph_cost_if_up(const nce_graph *g, const nce_link *l)
{
    const nce_link_metrics *v = &g->vertices[l->to].metrics;
    return g->alpha * (l->metrics.latency_s + v->latency_s) + g->beta * (l->metrics.power_w + v->power_w) +
           g->gamma * (l->metrics.price + v->price);
}

double nce_graph_cost(const nce_graph *g, const nce_link *l)
{
    return l->up && g->vertices[l->to].up ? nce_graph_cost_if_up(g, l) : INFINITY;
}

double nce_graph_resource(const nce_graph *g, const nce_link *l, uint32_t resource)
{
    const nce_link_metrics *v = &g->vertices[l->to].metrics;
    if (resource == NCE_RESOURCE_LATENCY) return l->metrics.latency_s + v->latency_s;
    if (resource == NCE_RESOURCE_POWER) return l->metrics.power_w + v->power_w;
    if (resource == NCE_RESOURCE_PRICE) return l->metrics.price + v->price;
    return 1;
}

const char *nce_graph_label(const nce_graph *g, uint32_t vertex, char text[64])
{
    if (vertex < g->n_vertices && g->vertices[vertex].name != NULL)
        snprintf(text, 64, "'%.60s'", g->vertices[vertex].name);
    else
        snprintf(text, 64, "#%u", vertex);
    return text;
}

static nce_status check_metrics(nce_graph *g, const nce_link_metrics *m)
{
    const struct {
        const char *name;
        double value, min;
    } all[] = {{"latency_s", m->latency_s, 0}, {"power_w", m->power_w, 0}, {"price", m->price, -NCE_MAX_METRIC}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(all[i].value >= all[i].min && all[i].value <= NCE_MAX_METRIC))
            return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: %s is %g, allowed %g..%g", all[i].name, all[i].value,
                            all[i].min, NCE_MAX_METRIC);
    return NCE_OK;
}

static nce_status check_objective(nce_context *ctx, double alpha, double beta, double gamma)
{
    const double w[] = {alpha, beta, gamma};
    static const char *const names[] = {"alpha", "beta", "gamma"};
    for (int i = 0; i < 3; i++)
        if (!(w[i] >= 0 && w[i] <= NCE_MAX_METRIC))
            return nce_fail(ctx, NCE_ERR_INVALID, "graph: %s is %g, allowed 0..%g", names[i], w[i], NCE_MAX_METRIC);
    return NCE_OK;
}

nce_status nce_graph_create(nce_context *ctx, const nce_graph_options *options, nce_graph **out)
{
    nce_graph_options o = NCE_GRAPH_OPTIONS_INIT;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_graph_create: out is NULL");
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_graph_options");
    if (status == NCE_OK) status = check_objective(ctx, o.alpha, o.beta, o.gamma);
    if (status != NCE_OK) return status;
    nce_graph *g = nce_alloc_zero(ctx, sizeof *g);
    if (g == NULL) return nce_fail_nomem(ctx, sizeof *g);
    g->ctx = ctx;
    const bool unset = o.alpha == 0 && o.beta == 0 && o.gamma == 0;
    g->alpha = unset ? 1 : o.alpha;
    g->beta = o.beta;
    g->gamma = o.gamma;
    *out = g;
    return NCE_OK;
}

void nce_rows_finish(nce_context *ctx, nce_rows *r)
{
    nce_free(ctx, r->start);
    nce_free(ctx, r->arc);
    *r = (nce_rows){NULL, NULL};
}

void nce_graph_destroy(nce_graph *g)
{
    if (g == NULL) return;
    for (size_t i = 0; i < g->n_vertices; i++)
        nce_free(g->ctx, g->vertices[i].name);
    nce_free(g->ctx, g->vertices);
    nce_free(g->ctx, g->links);
    nce_free(g->ctx, g->names);
    nce_rows_finish(g->ctx, &g->out);
    nce_rows_finish(g->ctx, &g->in);
    nce_landmarks_finish(g->ctx, &g->landmarks);
    nce_free(g->ctx, g);
}

/* The slot of a name: where it is or where it would go.  The table is never full. */
static size_t name_slot(const nce_graph *g, const char *name)
{
    size_t i = (size_t)XXH3_64bits(name, strlen(name)) & (g->names_size - 1);
    while (g->names[i] != 0 && strcmp(g->vertices[g->names[i] - 1].name, name) != 0)
        i = (i + 1) & (g->names_size - 1);
    return i;
}

static nce_status grow_names(nce_graph *g)
{
    if (g->names_size > 2 * (g->n_names + 1)) return NCE_OK;
    const size_t size = g->names_size == 0 ? 64 : 2 * g->names_size;
    uint32_t *fresh = nce_alloc_array(g->ctx, size, sizeof *fresh);
    if (fresh == NULL) return nce_fail_nomem(g->ctx, size * sizeof *fresh);
    nce_free(g->ctx, g->names);
    g->names = fresh;
    g->names_size = size;
    for (uint32_t v = 0; v < g->n_vertices; v++)
        if (g->vertices[v].name != NULL) g->names[name_slot(g, g->vertices[v].name)] = v + 1;
    return NCE_OK;
}

nce_status nce_graph_add_vertex(nce_graph *g, const char *name, const nce_link_metrics *metrics, uint32_t *out)
{
    if (g == NULL) return NCE_ERR_INVALID;
    const nce_link_metrics zero = {0, 0, 0};
    if (metrics == NULL) metrics = &zero;
    nce_status status = check_metrics(g, metrics);
    if (status != NCE_OK) return status;
    if (g->n_vertices >= MAX_ITEMS) return nce_fail(g->ctx, NCE_ERR_LIMIT, "graph: more than %d vertices", MAX_ITEMS);
    if (name != NULL) {
        if ((status = grow_names(g)) != NCE_OK) return status;
        if (g->names[name_slot(g, name)] != 0)
            return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: a vertex '%.60s' exists already", name);
    }
    status = nce_grow(g->ctx, (void **)&g->vertices, &g->vertex_capacity, g->n_vertices + 1, sizeof *g->vertices);
    if (status != NCE_OK) return status;
    nce_vertex *v = &g->vertices[g->n_vertices];
    *v = (nce_vertex){*metrics, NULL, true};
    if (name != NULL) {
        const size_t length = strlen(name);
        v->name = nce_strndup(g->ctx, name, length);
        if (v->name == NULL) return nce_fail_nomem(g->ctx, length + 1);
        g->names[name_slot(g, name)] = (uint32_t)g->n_vertices + 1;
        g->n_names++;
    }
    g->n_negative_price += metrics->price < 0;
    if (out != NULL) *out = (uint32_t)g->n_vertices;
    g->n_vertices++;
    g->prepared = false;
    return NCE_OK;
}

/* A link's cost or state changed: rows, landmarks and the count of negative links follow. */
static void refresh_link(nce_graph *g, uint32_t id)
{
    nce_link *l = &g->links[id];
    const double if_up = nce_graph_cost_if_up(g, l), now = nce_graph_cost(g, l);
    const bool negative = now < 0;
    if (negative != l->negative) {
        if (negative)
            g->n_negative++;
        else
            g->n_negative--;
        l->negative = negative;
    }
    if (!g->prepared) return;
    g->out.arc[l->out_at].weight = now;
    g->in.arc[l->in_at].weight = now;
    nce_landmarks_note(&g->landmarks, id, if_up);
}

nce_status nce_graph_add_link(nce_graph *g, uint32_t from, uint32_t to, const nce_link_metrics *metrics, uint32_t *out)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (metrics == NULL) return nce_fail(g->ctx, NCE_ERR_INVALID, "nce_graph_add_link: metrics is NULL");
    if (from >= g->n_vertices || to >= g->n_vertices || from == to)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: no link %u -> %u among %zu vertices", from, to, g->n_vertices);
    nce_status status = check_metrics(g, metrics);
    if (status != NCE_OK) return status;
    if (g->n_links >= MAX_ITEMS) return nce_fail(g->ctx, NCE_ERR_LIMIT, "graph: more than %d links", MAX_ITEMS);
    status = nce_grow(g->ctx, (void **)&g->links, &g->link_capacity, g->n_links + 1, sizeof *g->links);
    if (status != NCE_OK) return status;
    g->links[g->n_links] = (nce_link){*metrics, from, to, 0, 0, true, false};
    g->n_negative_price += metrics->price < 0;
    g->prepared = false;
    refresh_link(g, (uint32_t)g->n_links);
    if (out != NULL) *out = (uint32_t)g->n_links;
    g->n_links++;
    return NCE_OK;
}

static nce_status no_link(nce_graph *g, uint32_t link)
{
    return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: no link %u, there are %zu", link, g->n_links);
}

static nce_status no_vertex(nce_graph *g, uint32_t vertex)
{
    return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: no vertex %u, there are %zu", vertex, g->n_vertices);
}

nce_status nce_graph_set_link(nce_graph *g, uint32_t link, const nce_link_metrics *metrics)
{
    if (g == NULL || metrics == NULL) return NCE_ERR_INVALID;
    if (link >= g->n_links) return no_link(g, link);
    const nce_status status = check_metrics(g, metrics);
    if (status != NCE_OK) return status;
    g->n_negative_price -= g->links[link].metrics.price < 0;
    g->n_negative_price += metrics->price < 0;
    g->links[link].metrics = *metrics;
    refresh_link(g, link);
    return NCE_OK;
}

nce_status nce_graph_set_link_up(nce_graph *g, uint32_t link, bool up)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (link >= g->n_links) return no_link(g, link);
    g->links[link].up = up;
    refresh_link(g, link);
    return NCE_OK;
}

/* All links entering a vertex; before prepare there are no rows, and all links are looked at. */
static void refresh_entering(nce_graph *g, uint32_t vertex)
{
    if (g->prepared) {
        for (uint32_t i = g->in.start[vertex]; i < g->in.start[vertex + 1]; i++)
            refresh_link(g, g->in.arc[i].link);
        return;
    }
    for (uint32_t i = 0; i < g->n_links; i++)
        if (g->links[i].to == vertex) refresh_link(g, i);
}

nce_status nce_graph_set_vertex(nce_graph *g, uint32_t vertex, const nce_link_metrics *metrics)
{
    if (g == NULL || metrics == NULL) return NCE_ERR_INVALID;
    if (vertex >= g->n_vertices) return no_vertex(g, vertex);
    const nce_status status = check_metrics(g, metrics);
    if (status != NCE_OK) return status;
    g->n_negative_price -= g->vertices[vertex].metrics.price < 0;
    g->n_negative_price += metrics->price < 0;
    g->vertices[vertex].metrics = *metrics;
    refresh_entering(g, vertex);
    return NCE_OK;
}

nce_status nce_graph_set_vertex_up(nce_graph *g, uint32_t vertex, bool up)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (vertex >= g->n_vertices) return no_vertex(g, vertex);
    g->vertices[vertex].up = up;
    refresh_entering(g, vertex);
    return NCE_OK;
}

nce_status nce_graph_set_objective(nce_graph *g, double alpha, double beta, double gamma)
{
    if (g == NULL) return NCE_ERR_INVALID;
    const nce_status status = check_objective(g->ctx, alpha, beta, gamma);
    if (status != NCE_OK) return status;
    if (alpha == 0 && beta == 0 && gamma == 0)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: alpha, beta and gamma are all 0");
    g->alpha = alpha;
    g->beta = beta;
    g->gamma = gamma;
    for (uint32_t i = 0; i < g->n_links; i++)
        refresh_link(g, i);
    return NCE_OK;
}

uint32_t nce_graph_n_vertices(const nce_graph *g)
{
    return g != NULL ? (uint32_t)g->n_vertices : 0;
}

uint32_t nce_graph_n_links(const nce_graph *g)
{
    return g != NULL ? (uint32_t)g->n_links : 0;
}

const char *nce_graph_vertex_name(const nce_graph *g, uint32_t vertex)
{
    if (g == NULL || vertex >= g->n_vertices || g->vertices[vertex].name == NULL) return "";
    return g->vertices[vertex].name;
}

nce_status nce_graph_find_vertex(const nce_graph *g, const char *name, uint32_t *out)
{
    if (g == NULL || name == NULL || out == NULL) return NCE_ERR_INVALID;
    const uint32_t found = g->names_size == 0 ? 0 : g->names[name_slot(g, name)];
    if (found == 0) return nce_fail(g->ctx, NCE_ERR_NOTFOUND, "graph: no vertex is named '%.200s'", name);
    *out = found - 1;
    return NCE_OK;
}

nce_status nce_graph_link(const nce_graph *g, uint32_t link, uint32_t *from, uint32_t *to, double *cost)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (link >= g->n_links)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "graph: no link %u, there are %zu", link, g->n_links);
    const nce_link *l = &g->links[link];
    if (from != NULL) *from = l->from;
    if (to != NULL) *to = l->to;
    if (cost != NULL) *cost = nce_graph_cost(g, l);
    return NCE_OK;
}

/* One direction of the rows by counting sort: links keep their order inside a row, so results do not depend on it. */
static nce_status build_rows(nce_graph *g, nce_rows *rows, bool out)
{
    const size_t n = g->n_vertices;
    nce_rows_finish(g->ctx, rows);
    rows->start = nce_alloc_array(g->ctx, n + 2, sizeof *rows->start);
    rows->arc = nce_alloc_array(g->ctx, g->n_links, sizeof *rows->arc);
    if (rows->start == NULL || rows->arc == NULL) return nce_fail_nomem(g->ctx, g->n_links * sizeof *rows->arc);
    uint32_t *next = rows->start + 1; /* shifted by one: after the fill, start[v] is where row v begins */
    for (size_t i = 0; i < g->n_links; i++)
        next[(out ? g->links[i].from : g->links[i].to) + 1]++;
    for (size_t v = 1; v <= n; v++)
        next[v] += next[v - 1];
    for (uint32_t i = 0; i < g->n_links; i++) {
        nce_link *l = &g->links[i];
        const uint32_t at = next[out ? l->from : l->to]++;
        rows->arc[at] = (nce_arc){nce_graph_cost(g, l), out ? l->to : l->from, i};
        *(out ? &l->out_at : &l->in_at) = at;
    }
    return NCE_OK;
}

nce_status nce_graph_prepare(nce_graph *g, uint32_t n_landmarks)
{
    if (g == NULL) return NCE_ERR_INVALID;
    if (n_landmarks > NCE_MAX_LANDMARKS)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "nce_graph_prepare: %u landmarks, at most %d", n_landmarks,
                        NCE_MAX_LANDMARKS);
    if (n_landmarks > 0 && g->n_negative > 0)
        return nce_fail(g->ctx, NCE_ERR_UNSUPPORTED, "nce_graph_prepare: no landmarks with %zu links of negative cost",
                        g->n_negative);
    nce_landmarks_finish(g->ctx, &g->landmarks);
    if (!g->prepared) {
        nce_status status = build_rows(g, &g->out, true);
        if (status == NCE_OK) status = build_rows(g, &g->in, false);
        if (status != NCE_OK) return status;
        g->prepared = true;
    }
    return n_landmarks > 0 && g->n_vertices > 0 ? nce_landmarks_build(g, n_landmarks) : NCE_OK;
}
