/* Assignment of a batch of requests to nodes: minimum-cost flow with a proof, or greedy with a proven gap.
 *
 * Costs of different requests must be independent of each other (true of queue + prefill + transfer estimates; false
 * once two requests of the batch share a prefix: then the answer is optimal for the costs as given). */
#ifndef NCE_SCHED_ASSIGN_H
#define NCE_SCHED_ASSIGN_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_assigner nce_assigner;

#define NCE_NO_NODE UINT32_MAX
#define NCE_MAX_NODES 64 /* sets of nodes are 64-bit masks everywhere in the scheduler */

typedef enum nce_assign_method {
    NCE_ASSIGN_AUTO = 0,  /* EXACT up to 4,096 request-node pairs (256 x 16), GREEDY beyond */
    NCE_ASSIGN_EXACT = 1, /* successive shortest paths with potentials */
    NCE_ASSIGN_GREEDY = 2 /* in the order of requests, each to its cheapest node that has room */
} nce_assign_method;

typedef enum nce_assign_claim {
    NCE_ASSIGN_OPTIMAL = 1, /* most requests possible, and at least cost; nce_assign_check verifies it */
    NCE_ASSIGN_BOUNDED = 2  /* cost of serving the same requests is at least the bound */
} nce_assign_claim;

/* Why a request was not assigned. */
typedef enum nce_reject_reason {
    NCE_REJECT_NONE = 0,
    NCE_REJECT_FORBIDDEN = 1, /* its cost is infinite everywhere */
    NCE_REJECT_MEMORY = 2,    /* no node has that much memory free (left) */
    NCE_REJECT_DEADLINE = 3,  /* no node is predicted to finish in time */
    NCE_REJECT_CAPACITY = 4   /* all nodes it may use are full */
} nce_reject_reason;

/* A batch.  Arrays are borrowed until return; those marked optional may be NULL. */
typedef struct nce_assign_problem {
    size_t struct_size;
    uint32_t n_requests;       /* 0..65535 */
    uint32_t n_nodes;          /* 1..64 */
    const double *cost;        /* [n_requests][n_nodes]; infinity: not allowed; no NaN */
    const uint32_t *capacity;  /* [n_nodes] requests it can take now */
    const double *finish_s;    /* optional [n_requests][n_nodes] predicted finish, seconds from now */
    const double *deadline_s;  /* optional [n_requests], with finish_s; infinity: none */
    const double *memory;      /* optional [n_requests] bytes needed */
    const double *memory_free; /* optional [n_nodes], with memory */
    const uint32_t *previous;  /* optional [n_requests] node that served the session, or NCE_NO_NODE: wins ties */
    double quantum;            /* costs are rounded to multiples of it; 0: 1e-6.  At most 2^36 quanta */
    uint32_t method;           /* nce_assign_method */
    uint32_t reserved;
} nce_assign_problem;
#define NCE_ASSIGN_PROBLEM_INIT { sizeof(nce_assign_problem), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Result for the batch.  The caller sets struct_size; pointers belong to the assigner until its next call. */
typedef struct nce_assignment {
    size_t struct_size;
    const uint32_t *node;         /* [n_requests], NCE_NO_NODE when rejected */
    const uint8_t *reason;        /* [n_requests] nce_reject_reason */
    const double *best_finish_s;  /* [n_requests] least predicted finish of a node that has the memory; NaN without
                                     finish_s.  For a request rejected by its deadline: what to tell the caller */
    double cost;                  /* of the assigned requests, in quanta times quantum */
    double bound;                 /* no assignment that serves as many (BOUNDED: the same) requests costs less */
    const int64_t *request_price; /* [n_requests] certificate, see nce_assign_check; NULL unless OPTIMAL */
    const int64_t *node_price;    /* [n_nodes] */
    int64_t tie_scale, penalty;   /* of the certificate */
    uint32_t n_assigned;
    uint32_t claim;               /* nce_assign_claim */
} nce_assignment;
#define NCE_ASSIGNMENT_INIT { sizeof(nce_assignment), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Create an assigner: working memory that grows to the largest batch seen.
 *
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Owned by the caller.  One thread at a time.  Since 0.1. */
NCE_API nce_status nce_assigner_create(nce_context *ctx, nce_assigner **out);
NCE_API void nce_assigner_destroy(nce_assigner *assigner); /* NULL is allowed */

/* Assign a batch.
 *
 * Capacities are met exactly.  Memory limits make the problem NP-hard: the flow is solved without them and then
 * repaired, and the claim is BOUNDED if anything had to move.  A request that no node can finish in time is rejected at
 * once; its best predicted finish is in the result.  Among assignments of equal cost (in quanta) the one that keeps
 * most requests on their previous nodes is taken.
 * Returns NCE_OK; NCE_ERR_INVALID naming the entry that is NaN, negative where it must not be, or beyond 2^36 quanta;
 *         NCE_ERR_NOMEM.  Deterministic.  Since 0.1. */
NCE_API nce_status nce_assigner_solve(nce_assigner *assigner, const nce_assign_problem *problem, nce_assignment *out);

/* Verify an OPTIMAL result against its problem, trusting nothing but the prices: with c = cost in quanta * tie_scale +
 * (1 if the node is not the previous one), penalty for rejecting, prices p >= 0 of nodes (0 where a slot is free):
 * request_price <= c + p for every allowed pair and <= penalty, with equality where assigned.  Then the sum of request
 * prices less capacity * p is a lower bound, and it equals the cost.
 * Returns NCE_OK; NCE_ERR_INVALID naming what is wrong.  ctx receives the message.  Since 0.1. */
NCE_API nce_status nce_assign_check(nce_context *ctx, const nce_assign_problem *problem, const nce_assignment *result);

#ifdef __cplusplus
}
#endif
#endif
