/* Inside of an assigner: the batch in whole numbers, where optimality is exact. */
#ifndef NCE_SRC_SCHED_ASSIGN_H
#define NCE_SRC_SCHED_ASSIGN_H
#include "nce/sched_assign.h"
#include "src/core/runtime/context.h"

#define NCE_FORBIDDEN (INT64_MAX / 4)
enum { NCE_ASSIGN_COLUMNS = NCE_MAX_NODES + 1 }; /* the nodes and the bin of rejected requests */

struct nce_assigner {
    nce_context *ctx;
    uint32_t capacity; /* requests there is room for */
    uint32_t n, m;     /* requests; columns = nodes + 1, the last is the bin, which takes everything at the penalty */
    int64_t *cost;     /* [n][m] */
    uint32_t *node;    /* [n]; the bin is column m - 1 while solving */
    uint8_t *reason;
    double *best_finish;
    int64_t *request_price;
    uint32_t *next, *previous; /* [n] members of a column as a doubly linked list */
    uint32_t head[NCE_ASSIGN_COLUMNS], load[NCE_ASSIGN_COLUMNS], limit[NCE_ASSIGN_COLUMNS];
    int64_t price[NCE_ASSIGN_COLUMNS];                    /* cost of freeing a slot of the column */
    uint32_t towards[NCE_ASSIGN_COLUMNS];                 /* the column a request moves to when one is freed */
    int64_t move[NCE_ASSIGN_COLUMNS][NCE_ASSIGN_COLUMNS]; /* cheapest move of a member between columns */
    uint32_t mover[NCE_ASSIGN_COLUMNS][NCE_ASSIGN_COLUMNS];
    int64_t tie_scale, penalty;
};

/* Check a problem of any age, copied into p; reported. */
nce_status nce_assign_read(nce_context *ctx, const nce_assign_problem *given, nce_assign_problem *p);
/* May the request run on the node; otherwise why not. */
nce_reject_reason nce_assign_refusal(const nce_assign_problem *p, uint32_t request, uint32_t node);
/* Cost in quanta, scaled for ties.  False: not a number or too large. */
bool nce_assign_quanta(const nce_assign_problem *p, uint32_t request, uint32_t node, int64_t tie_scale, int64_t *out);

/* Minimum-cost flow over cost[][]; fills node, price and request_price. */
void nce_assign_flow(nce_assigner *a);
/* In request order.  Respects memory when the problem has it. */
void nce_assign_greedily(nce_assigner *a, const nce_assign_problem *p);
/* After the flow: move requests off nodes that lack the memory.  Returns whether anything moved. */
bool nce_assign_repair(nce_assigner *a, const nce_assign_problem *p);
/* A lower bound of serving the requests now assigned, by Lagrangian prices. */
int64_t nce_assign_bound(const nce_assigner *a);

#endif
