/* The whole public API of libneuralcompute.  Include this, or the headers of the parts you use. */
#ifndef NCE_NCE_H
#define NCE_NCE_H
#include "version.h"
#include "status.h"
#include "context.h"
#include "quant.h"
#include "photonic.h"
#include "device.h"
#include "tokenizer.h"
#include "template.h"
#include "architecture.h"
#include "model.h"
#include "session.h"
#include "sampler.h"
#include "generate.h"
#include "chat.h"
#include "metrics.h"
#include "model_tools.h"
#include "snn.h"
#include "sched.h"
#include "snn_codec.h"
#include "snn_nir.h"
#endif
