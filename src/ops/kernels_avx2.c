/* The kernels, compiled with the flags of this level only (CMakeLists.txt). */
#define KERNELS_TABLE mcvdi_kernels_avx2
#define KERNELS_NAME  "avx2"
#include "ops/kernels_body.h"
