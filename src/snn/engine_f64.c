/* The engine in double precision. */
#include "src/snn/exponential.h"
#include "src/snn/network.h"
#include <math.h>
#include <string.h>

#define REAL double
#define NAME(f) f##_f64
#define ARGS f64
#define LIF lif_f64
#include "src/snn/engine_body.h"

const nce_snn_engine nce_snn_engine_f64 = ENGINE;
