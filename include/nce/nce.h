/* The whole public API of libneuralcompute.  Include this, or the headers of the parts you use. */
#ifndef NCE_NCE_H
#define NCE_NCE_H
#include "version.h"
#include "status.h"
#include "context.h"
#include "quant.h"
#include "sched.h"
#endif
