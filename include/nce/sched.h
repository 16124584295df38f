/* LightRail, the scheduler: routes through a graph of devices, batch assignment, cache-aware placement, KV blocks and
 * their eviction, layer placement, length prediction, the run-time queue and its statistics.
 *
 * Each part can be used alone; docs/scheduler.md says which claim of optimality holds when. */
#ifndef NCE_SCHED_H
#define NCE_SCHED_H
#include "sched_assign.h"
#include "sched_cache.h"
#include "sched_graph.h"
#include "sched_metrics.h"
#include "sched_predict.h"
#include "sched_layers.h"
#include "sched_place.h"
#include "sched_replay.h"
#include "sched_runtime.h"
#endif
