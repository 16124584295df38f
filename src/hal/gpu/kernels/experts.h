/* Choosing experts, and joining what they gave (src/hal/cpu/op_experts.c).  A group chooses for one row. */
#ifndef NCE_SRC_GPU_EXPERTS_H
#define NCE_SRC_GPU_EXPERTS_H

/* Soft-max of n numbers in shared memory, in place, by all items of the group; n 0: nothing is changed. */
NCE_DEV void nce_softmax(NCE_L float *x, int n, NCE_L float *part, NCE_L float *lanes)
{
    const int t = nce_tid;
    float most = -NCE_INFINITY;
    for (int i = t; i < n; i += NCE_GPU_ROUTE_GROUP)
        most = x[i] > most ? x[i] : most;
    part[t] = most;
    nce_sync();
    for (int i = 0; i < NCE_GPU_ROUTE_GROUP; i++)
        most = part[i] > most ? part[i] : most;
    for (int i = t; i < n; i += NCE_GPU_ROUTE_GROUP)
        x[i] = nce_exp2neg((x[i] - most) * NCE_LOG2E);
    nce_sync();
    if (t < 16) {
        float lane = 0.0f;
        for (int i = t; i < n; i += 16)
            lane = lane + x[i];
        lanes[t] = lane;
    }
    nce_sync();
    if (t == 0) lanes[0] = nce_div(1.0f, nce_fold16(lanes));
    nce_sync();
    for (int i = t; i < n; i += NCE_GPU_ROUTE_GROUP)
        x[i] = x[i] * lanes[0];
    nce_sync();
}

/* The best of n scores, ties to the lower index, which is then out of the race.  By all items. */
NCE_DEV int nce_take_best(NCE_L float *score, int n, NCE_L float *part, NCE_L int *index)
{
    const int t = nce_tid;
    int best = t;
    for (int i = t + NCE_GPU_ROUTE_GROUP; i < n; i += NCE_GPU_ROUTE_GROUP)
        if (score[i] > score[best]) best = i;
    index[t] = best;
    if (t < n) part[t] = score[best];
    nce_sync();
    best = 0;
    for (int i = 1; i < NCE_GPU_ROUTE_GROUP && i < n; i++)
        if (part[i] > part[best] || (part[i] == part[best] && index[i] < index[best])) best = i;
    best = index[best];
    nce_sync();
    if (t == 0) score[best] = -NCE_INFINITY;
    nce_sync();
    return best;
}

/* Only the best groups stay in the race; a group counts by its two best scores if there is a bias, else by its best.
 * n_experts 0, with no groups used: nothing is changed. */
NCE_DEV void nce_limit_groups(NCE_L float *score, int n_experts, int n_groups, int n_groups_used, int two,
                              NCE_L float *group, NCE_L int *keep, NCE_L float *part, NCE_L int *index)
{
    const int t = nce_tid, size = n_experts / n_groups;
    for (int g = t; g < n_groups; g += NCE_GPU_ROUTE_GROUP) {
        float a = -NCE_INFINITY, b = -NCE_INFINITY;
        for (int i = 0; i < size; i++) {
            const float s = score[g * size + i];
            if (s > a)
                b = a, a = s;
            else if (s > b)
                b = s;
        }
        group[g] = two ? a + b : a;
        keep[g] = 0;
    }
    nce_sync();
    for (int i = 0; i < n_groups_used; i++) {
        const int g = nce_take_best(group, n_groups, part, index);
        if (t == 0) keep[g] = 1;
        nce_sync();
    }
    for (int i = t; i < n_experts; i += NCE_GPU_ROUTE_GROUP)
        if (!keep[i / size]) score[i] = -NCE_INFINITY;
    nce_sync();
}

/* kind: nce_route_kind.  ids and weights [rows][n_used], ids ascending. */
NCE_KERNEL void nce_gpu_route(NCE_G const float *logits, int ld, NCE_G const float *bias, int kind, int n_experts,
                              int n_used, int n_groups, int n_groups_used, int normalise, float scale, NCE_G int *ids,
                              NCE_G float *weights)
{
    NCE_SHARED(float, value, NCE_GPU_EXPERTS_MAX);
    NCE_SHARED(float, choice, NCE_GPU_EXPERTS_MAX);
    NCE_SHARED(float, chosen, NCE_GPU_EXPERTS_USED_MAX);
    NCE_SHARED(int, list, NCE_GPU_EXPERTS_USED_MAX);
    NCE_SHARED(float, group, 64);
    NCE_SHARED(int, keep, 64);
    NCE_SHARED(float, part, NCE_GPU_ROUTE_GROUP);
    NCE_SHARED(int, index, NCE_GPU_ROUTE_GROUP);
    NCE_SHARED(float, lanes, 16);
    const int t = nce_tid, row = nce_group_x;
    for (int i = t; i < n_experts; i += NCE_GPU_ROUTE_GROUP) {
        const float x = logits[(nce_u64)row * ld + i];
        value[i] = kind == 1 ? nce_sigmoid(x) : x;
    }
    nce_sync();
    nce_softmax(value, kind == 0 ? n_experts : 0, part, lanes);
    for (int i = t; i < n_experts; i += NCE_GPU_ROUTE_GROUP)
        choice[i] = bias != 0 ? value[i] + bias[i] : value[i];
    nce_sync();
    nce_limit_groups(choice, n_groups > 1 ? n_experts : 0, n_groups, n_groups > 1 ? n_groups_used : 0, bias != 0, group, keep,
                     part, index);
    for (int i = 0; i < n_used; i++) {
        const int best = nce_take_best(choice, n_experts, part, index);
        if (t == 0) { /* an insertion keeps the list ascending */
            int at = i;
            for (; at > 0 && list[at - 1] > best; at--)
                list[at] = list[at - 1];
            list[at] = best;
        }
    }
    nce_sync();
    for (int i = t; i < n_used; i += NCE_GPU_ROUTE_GROUP)
        chosen[i] = value[list[i]];
    nce_sync();
    nce_softmax(chosen, kind == 2 ? n_used : 0, part, lanes);
    float sum = 0.0f;
    for (int i = 0; i < n_used; i++)
        sum = sum + chosen[i];
    for (int i = t; i < n_used; i += NCE_GPU_ROUTE_GROUP) {
        float w = chosen[i];
        if (normalise) w = nce_div(w, sum);
        if (scale != 1.0f) w = w * scale;
        ids[(nce_u64)row * n_used + i] = list[i];
        weights[(nce_u64)row * n_used + i] = w;
    }
}

/* out = sum of a row's expert outputs, times their weights, in the order of the list. */
NCE_KERNEL void nce_gpu_combine(NCE_G const float *y, NCE_G const float *weights, int n_used, int width,
                                NCE_G float *out, int ld_out)
{
    const int i = nce_group_x * nce_size + nce_tid, row = nce_group_y;
    if (i >= width) return;
    y += (nce_u64)row * n_used * width + i;
    weights += (nce_u64)row * n_used;
    float sum = y[0] * weights[0];
    for (int e = 1; e < n_used; e++)
        sum = nce_fma(weights[e], y[(nce_u64)e * width], sum);
    out[(nce_u64)row * ld_out + i] = sum;
}

#endif
