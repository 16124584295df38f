/* The devices of a context, see nce/device.h.  The context frees the list as a plain block. */
#ifndef NCE_SRC_LIST_H
#define NCE_SRC_LIST_H
#include "src/hal/device.h"

typedef struct nce_device_list nce_device_list;

#endif
