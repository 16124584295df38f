/* ALT landmarks: distances to and from a few far-apart vertices bound any distance by the triangle inequality
 * (Goldberg and Harrelson, "Computing the shortest path: A* search meets graph theory", SODA 2005).
 *
 * Live updates would break the bound when a cost falls.  The landmarks remember the costs they were computed from, and
 * keep scale = min over links of now/then, at most 1: then every cost now >= scale * then, so scale * bound is still a
 * consistent estimate for the costs of now.  Links and vertices that are down count as if up: taking one down raises a
 * cost to infinity, which harms nothing, and bringing it back must not either. */
#include "src/sched/search.h"
#include <math.h>
#include <string.h>

void nce_landmarks_finish(nce_context *ctx, nce_landmarks *lm)
{
    nce_free(ctx, lm->from);
    nce_free(ctx, lm->to);
    nce_free(ctx, lm->base);
    memset(lm, 0, sizeof *lm);
}

/* The vertex farthest from all landmarks so far (greedy k-centre); unreachable ones count as farthest but are poor
 * landmarks, so they are taken only when nothing else is left. */
static uint32_t farthest(const nce_graph *g, const nce_landmarks *lm, uint32_t n_done)
{
    uint32_t best = 0;
    double best_distance = -1;
    for (uint32_t v = 0; v < g->n_vertices; v++) {
        double nearest = INFINITY;
        for (uint32_t k = 0; k < n_done; k++)
            nearest = fmin(nearest, lm->from[(size_t)v * lm->n + k]);
        const double distance = nearest < INFINITY ? nearest : 0;
        if (distance > best_distance) {
            best_distance = distance;
            best = v;
        }
    }
    return best;
}

nce_status nce_landmarks_build(nce_graph *g, uint32_t n)
{
    nce_landmarks *lm = &g->landmarks;
    nce_search s = {.ctx = g->ctx};
    nce_status status = nce_search_reserve(&s, g);
    if (status != NCE_OK) return status;
    *lm = (nce_landmarks){.n = n, .scale = 1};
    lm->from = nce_alloc_array(g->ctx, g->n_vertices * n, sizeof *lm->from);
    lm->to = nce_alloc_array(g->ctx, g->n_vertices * n, sizeof *lm->to);
    lm->base = nce_alloc_array(g->ctx, g->n_links, sizeof *lm->base);
    if (lm->from == NULL || lm->to == NULL || lm->base == NULL) {
        status = nce_fail_nomem(g->ctx, 2 * g->n_vertices * n * sizeof *lm->from);
        goto fail;
    }
    for (size_t i = 0; i < g->n_links; i++)
        lm->base[i] = nce_graph_cost_if_up(g, &g->links[i]);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t at = farthest(g, lm, k);
        nce_search_dijkstra(&s, g, &g->out, lm->base, at, NCE_NO_VERTEX);
        for (size_t v = 0; v < g->n_vertices; v++)
            lm->from[v * n + k] = s.label[v].dist;
        nce_search_dijkstra(&s, g, &g->in, lm->base, at, NCE_NO_VERTEX);
        for (size_t v = 0; v < g->n_vertices; v++)
            lm->to[v * n + k] = s.label[v].dist;
    }
    nce_search_finish(&s);
    return NCE_OK;
fail:
    nce_search_finish(&s);
    nce_landmarks_finish(g->ctx, lm);
    return status;
}

void nce_landmarks_note(nce_landmarks *lm, uint32_t link, double cost)
{
    if (lm->n == 0 || lm->base[link] == 0) return;
    lm->scale = fmax(0, fmin(lm->scale, cost / lm->base[link]));
}

double nce_landmarks_bound(const nce_landmarks *lm, uint32_t vertex, uint32_t target)
{
    /* The distances are sums of rounded additions; giving up 1e-12 of the bound keeps it below the true distance. */
    const double *fv = lm->from + (size_t)vertex * lm->n, *ft = lm->from + (size_t)target * lm->n;
    const double *tv = lm->to + (size_t)vertex * lm->n, *tt = lm->to + (size_t)target * lm->n;
    double best = 0;
    for (uint32_t k = 0; k < lm->n; k++) {
        if (fv[k] < INFINITY && ft[k] - fv[k] > best) best = ft[k] - fv[k];
        if (tt[k] < INFINITY && tv[k] - tt[k] > best) best = tv[k] - tt[k];
    }
    return best < INFINITY ? best * lm->scale * (1 - 1e-12) : INFINITY;
}
