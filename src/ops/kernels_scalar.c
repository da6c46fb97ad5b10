/* The kernels, compiled with the flags of this level only (CMakeLists.txt). */
#define KERNELS_TABLE mcvdi_kernels_scalar
#define KERNELS_NAME  "scalar"
#include "ops/kernels_body.h"
