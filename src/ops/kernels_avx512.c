/* The kernels, compiled with the flags of this level only (CMakeLists.txt). */
#define KERNELS_TABLE mcvdi_kernels_avx512
#define KERNELS_NAME  "avx512"
#include "ops/kernels_body.h"
