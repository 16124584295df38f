/* From a NIR graph to populations and synapses.
 *
 * For every neuron node the linear nodes before it are walked backwards.  Each visit of a node with a bias adds its image
 * to the target's constant current; each neuron or input reached gives one connection, the product of the nodes between. */
#include "src/snn/nir/graph.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CHAIN = 64 };

typedef struct synapse_list {
    uint32_t *pre, *post;
    double *weight, *delay;
    size_t n, capacity[4];
} synapse_list;

typedef struct importer {
    nce_nir_graph *g;
    const nce_snn_nir_options *o;
    nce_snn *snn;
    double dt;
    const nce_nir_node *target;
    const nce_nir_node *chain[MAX_CHAIN]; /* from the target's side */
    size_t n_chain;
    double *bias; /* of the target */
    nce_nir_vector a, b;
    bool connect;   /* else only find who feeds whom */
    uint8_t *feeds; /* [from * n + to] neuron-level edges */
} importer;

static double value(const nce_nir_node *node, const char *name, size_t i, double otherwise)
{
    const nce_nir_param *p = nce_nir_find(node, name);
    if (p == NULL || p->text || p->n == 0) return otherwise;
    return p->data[p->n == 1 ? 0 : i];
}

static bool is_cuba(const nce_nir_node *node)
{
    return node->type == NCE_NIR_CUBALIF || node->type == NCE_NIR_CUBALI;
}

/* What one unit of input adds: HOLD populations take it as it is; a CuBa current grows by w_in times its share of a step. */
static double gain(const importer *m, size_t i)
{
    if (!is_cuba(m->target)) return 1;
    const double x = m->dt / 1000 / value(m->target, "tau_syn", i, 1);
    return value(m->target, "w_in", i, 1) * (m->o->method == NCE_SNN_EULER ? x : -expm1(-x));
}

/* ---- walking backwards ---- */

/* a holds a vector at the output of the chain's element k - 1; carry it to the target.  The result is in m->a. */
static nce_status through_chain(importer *m, size_t k)
{
    nce_status status = NCE_OK;
    while (k-- > 0 && status == NCE_OK) {
        status = nce_nir_apply(m->g, m->chain[k], m->dt, &m->a, &m->b);
        const nce_nir_vector t = m->a;
        m->a = m->b;
        m->b = t;
    }
    return status;
}

static nce_status unit(importer *m, size_t index, double weight)
{
    m->a.n = 0;
    const nce_status status = nce_grow(m->g->ctx, (void **)&m->a.items, &m->a.capacity, 1, sizeof *m->a.items);
    if (status == NCE_OK) m->a.items[m->a.n++] = (nce_nir_entry){(uint32_t)index, 0, weight};
    return status;
}

static nce_status add_bias(importer *m, const nce_nir_node *node)
{
    const nce_nir_param *p = nce_nir_bias(node);
    const size_t n = p != NULL ? nce_nir_size(node) : 0, per_value = p != NULL ? n / p->n : 0;
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        if (p->data[i / per_value] == 0) continue;
        status = unit(m, i, p->data[i / per_value]);
        if (status == NCE_OK) status = through_chain(m, m->n_chain);
        for (size_t k = 0; status == NCE_OK && k < m->a.n; k++)
            m->bias[m->a.items[k].index] += m->a.items[k].weight;
    }
    return status;
}

static nce_status append(const importer *m, synapse_list *s, uint32_t pre, const nce_nir_entry *e, double delay)
{
    nce_context *ctx = m->g->ctx;
    nce_status status = nce_grow(ctx, (void **)&s->pre, &s->capacity[0], s->n + 1, sizeof *s->pre);
    if (status == NCE_OK) status = nce_grow(ctx, (void **)&s->post, &s->capacity[1], s->n + 1, sizeof *s->post);
    if (status == NCE_OK) status = nce_grow(ctx, (void **)&s->weight, &s->capacity[2], s->n + 1, sizeof *s->weight);
    if (status == NCE_OK) status = nce_grow(ctx, (void **)&s->delay, &s->capacity[3], s->n + 1, sizeof *s->delay);
    if (status != NCE_OK) return status;
    s->pre[s->n] = pre;
    s->post[s->n] = e->index;
    s->weight[s->n] = e->weight * gain(m, e->index);
    s->delay[s->n++] = (delay + e->delay) * m->dt;
    return NCE_OK;
}

static void free_list(const importer *m, synapse_list *s)
{
    nce_free(m->g->ctx, s->pre);
    nce_free(m->g->ctx, s->post);
    nce_free(m->g->ctx, s->weight);
    nce_free(m->g->ctx, s->delay);
}

static nce_status connect_source(importer *m, const nce_nir_node *source)
{
    /* Feed-forward: the difference of the depths.  Recurrent: one step more than in the same layer. */
    const double depth = (double)m->target->level - source->level, back = depth < 1 ? depth + 1 : depth;
    synapse_list s = {0};
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_status status = NCE_OK;
    if (back < 1)
        nce_log(m->g->ctx, NCE_LOG_WARNING,
                "%s: feedback '%s' -> '%s' arrives %g steps later than in one pass over the layers", m->g->path,
                source->name, m->target->name, 1 - back);
    for (size_t i = 0; i < nce_nir_size(source) && status == NCE_OK; i++) {
        status = unit(m, i, 1);
        if (status == NCE_OK) status = through_chain(m, m->n_chain);
        for (size_t k = 0; k < m->a.n && status == NCE_OK; k++)
            status = append(m, &s, (uint32_t)i, &m->a.items[k], back < 1 ? 1 : back);
    }
    c.pre = source->population;
    c.post = m->target->population;
    if (status == NCE_OK) status = nce_snn_connect(m->snn, &c, s.n, s.pre, s.post, s.weight, s.delay);
    free_list(m, &s);
    return status;
}

/* All that feeds node number at, which is the target or the last of the chain. */
static nce_status walk(importer *m, size_t at)
{
    nce_nir_graph *g = m->g;
    nce_status status = NCE_OK;
    for (size_t e = 0; e < g->n_edges && status == NCE_OK; e++) {
        if (g->edges[e].to != at) continue;
        const nce_nir_node *from = &g->nodes[g->edges[e].from];
        if (from->type == NCE_NIR_INPUT || nce_nir_is_neuron(from->type)) {
            if (m->connect)
                status = connect_source(m, from);
            else
                m->feeds[g->edges[e].from * g->n_nodes + (size_t)(m->target - g->nodes)] = 1;
            continue;
        }
        if (from->type == NCE_NIR_OUTPUT) continue;
        if (m->n_chain == MAX_CHAIN)
            return nce_fail(g->ctx, NCE_ERR_UNSUPPORTED,
                            "%s: node '%s': more than 64 linear nodes in a row, or a loop of them", g->path,
                            from->name);
        if (m->connect) status = add_bias(m, from);
        m->chain[m->n_chain++] = from;
        if (status == NCE_OK) status = walk(m, g->edges[e].from);
        m->n_chain--;
    }
    return status;
}

/* ---- depth ---- */

/* Longest way from the inputs; an edge to a node on the way is a recurrent one and does not count. */
static void deepen(importer *m, size_t at, uint8_t *on_way)
{
    nce_nir_graph *g = m->g;
    on_way[at] = 1;
    for (size_t to = 0; to < g->n_nodes; to++) {
        if (!m->feeds[at * g->n_nodes + to] || on_way[to] || g->nodes[to].level >= g->nodes[at].level + 1) continue;
        g->nodes[to].level = g->nodes[at].level + 1;
        deepen(m, to, on_way);
    }
    on_way[at] = 0;
}

static nce_status find_levels(importer *m)
{
    nce_nir_graph *g = m->g;
    nce_status status = NCE_OK;
    uint8_t *on_way = nce_alloc_array(g->ctx, g->n_nodes, 1);
    m->feeds = nce_alloc_array(g->ctx, g->n_nodes, g->n_nodes);
    if (on_way == NULL || m->feeds == NULL) status = nce_fail_nomem(g->ctx, g->n_nodes * g->n_nodes);
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++) {
        m->target = &g->nodes[i];
        if (nce_nir_is_neuron(m->target->type)) status = walk(m, i);
    }
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++)
        if (g->nodes[i].type == NCE_NIR_INPUT) deepen(m, i, on_way);
    nce_free(g->ctx, on_way);
    nce_free(g->ctx, m->feeds);
    return status;
}

/* ---- populations ---- */

static void neuron_options(const importer *m, const nce_nir_node *node, nce_snn_population_options *o)
{
    *o = (nce_snn_population_options)NCE_SNN_LIF_INIT;
    o->synapse = is_cuba(node) ? NCE_SNN_CURRENT : NCE_SNN_HOLD;
    o->method = m->o->method;
    o->reset = m->o->reset;
    o->flags = NCE_SNN_RECORD;
    o->onset = node->level;
    o->drive = NCE_SNN_AUTO;
    switch (node->type) {
    case NCE_NIR_LI:
    case NCE_NIR_CUBALI:
        o->model = NCE_SNN_LI;
        break;
    case NCE_NIR_IF:
    case NCE_NIR_I:
        o->model = NCE_SNN_IF;
        break;
    default:
        break;
    }
    if (is_cuba(node) && m->o->current_first) o->flags |= NCE_SNN_CURRENT_FIRST;
    if (node->type == NCE_NIR_LIF && m->o->precise) o->flags |= NCE_SNN_PRECISE;
    if (node->type == NCE_NIR_THRESHOLD) { /* v is the input of the step: Euler with tau = dt forgets everything else */
        o->method = NCE_SNN_EULER;
        o->reset = NCE_SNN_RESET_TO;
        o->tau_m = m->dt;
    }
}

/* A parameter of the node for every neuron, converted by factor; not set when the node has none. */
static nce_status set_each(importer *m, const nce_nir_node *node, nce_snn_param param, const char *name, double factor)
{
    const nce_nir_param *p = nce_nir_find(node, name);
    const size_t n = nce_nir_size(node);
    if (p == NULL || p->text) return NCE_OK;
    double *x = nce_alloc_array(m->g->ctx, n, sizeof *x);
    if (x == NULL) return nce_fail_nomem(m->g->ctx, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = value(node, name, i, 0) * factor;
    const nce_status status = nce_snn_population_set(m->snn, node->population, param, x, n);
    nce_free(m->g->ctx, x);
    if (status != NCE_ERR_INVALID) return status;
    return nce_fail(m->g->ctx, NCE_ERR_FORMAT, "%s: node '%s': %s holds a value out of range", m->g->path, node->name,
                    name);
}

static nce_status set_parameters(importer *m, const nce_nir_node *node)
{
    const bool integrates = node->type == NCE_NIR_IF || node->type == NCE_NIR_I;
    nce_status status = set_each(m, node, NCE_SNN_PARAM_R_M, "r", integrates ? 1e-3 : 1); /* per second: per ms */
    if (status == NCE_OK) status = set_each(m, node, NCE_SNN_PARAM_TAU_M, is_cuba(node) ? "tau_mem" : "tau", 1000);
    if (status == NCE_OK && is_cuba(node)) status = set_each(m, node, NCE_SNN_PARAM_TAU_SYN0, "tau_syn", 1000);
    if (status == NCE_OK) status = set_each(m, node, NCE_SNN_PARAM_E_L, "v_leak", 1);
    if (status == NCE_OK)
        status =
            set_each(m, node, NCE_SNN_PARAM_V_TH, node->type == NCE_NIR_THRESHOLD ? "threshold" : "v_threshold", 1);
    if (status == NCE_OK) status = set_each(m, node, NCE_SNN_PARAM_V_RESET, "v_reset", 1);
    return status;
}

static nce_status add_population(importer *m, nce_nir_node *node)
{
    nce_snn_population_options o = NCE_SNN_SOURCE_INIT;
    if (nce_nir_is_neuron(node->type)) neuron_options(m, node, &o);
    if (node->type == NCE_NIR_I) o.v_th = 1e9;
    if (strlen(node->name) > 63)
        return nce_fail(m->g->ctx, NCE_ERR_FORMAT, "%s: node '%s': a name longer than 63 bytes", m->g->path,
                        node->name);
    o.name = node->name;
    o.n = (uint32_t)nce_nir_size(node);
    if (o.n == 0)
        return nce_fail(m->g->ctx, NCE_ERR_FORMAT, "%s: node '%s': not reached from any Input", m->g->path, node->name);
    const nce_status status = nce_snn_population_add(m->snn, &o, &node->population);
    return status == NCE_OK && nce_nir_is_neuron(node->type) ? set_parameters(m, node) : status;
}

/* The bias of a CuBa neuron charges its current like an input that comes every step: a source that always fires. */
static nce_status bias_source(importer *m, size_t n)
{
    nce_snn_population_options o = NCE_SNN_POISSON_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    synapse_list s = {0};
    char name[64];
    snprintf(name, sizeof name, "%.58s.bias", m->target->name);
    o.name = name;
    o.rate_hz = 1000 / m->dt;
    nce_status status = nce_snn_population_add(m->snn, &o, &c.pre);
    c.post = m->target->population;
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        const nce_nir_entry e = {(uint32_t)i, 0, m->bias[i]};
        if (e.weight != 0) status = append(m, &s, 0, &e, m->target->level);
    }
    if (status == NCE_OK) status = nce_snn_connect(m->snn, &c, s.n, s.pre, s.post, s.weight, s.delay);
    free_list(m, &s);
    return status;
}

static nce_status set_bias(importer *m)
{
    const size_t n = nce_nir_size(m->target);
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any |= m->bias[i] != 0;
    if (!any) return NCE_OK;
    if (is_cuba(m->target)) return bias_source(m, n);
    return nce_snn_population_set(m->snn, m->target->population, NCE_SNN_PARAM_I_E, m->bias, n);
}

nce_status nce_nir_to_network(nce_nir_graph *g, const nce_snn_nir_options *o, nce_snn *snn)
{
    importer m = {.g = g, .o = o, .snn = snn, .dt = nce_snn_dt(snn)};
    nce_status status = find_levels(&m);
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++)
        if (g->nodes[i].type == NCE_NIR_INPUT || nce_nir_is_neuron(g->nodes[i].type))
            status = add_population(&m, &g->nodes[i]);
    m.connect = true;
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++) {
        m.target = &g->nodes[i];
        if (!nce_nir_is_neuron(m.target->type)) continue;
        m.bias = nce_alloc_array(g->ctx, nce_nir_size(m.target), sizeof *m.bias);
        if (m.bias == NULL) status = nce_fail_nomem(g->ctx, nce_nir_size(m.target) * sizeof *m.bias);
        if (status == NCE_OK) status = walk(&m, i);
        if (status == NCE_OK) status = set_bias(&m);
        nce_free(g->ctx, m.bias);
    }
    nce_free(g->ctx, m.a.items);
    nce_free(g->ctx, m.b.items);
    return status;
}
