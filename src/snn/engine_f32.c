/* The engine in single precision. */
#include "src/snn/exponential.h"
#include "src/snn/network.h"
#include <math.h>
#include <string.h>

#define REAL float
#define NAME(f) f##_f32
#define ARGS f32
#define LIF lif_f32
#include "src/snn/engine_body.h"

const nce_snn_engine nce_snn_engine_f32 = ENGINE;
