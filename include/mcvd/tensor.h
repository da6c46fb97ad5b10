/* A view of an n-dimensional array: it never owns its memory. */
#ifndef MCVD_TENSOR_H
#define MCVD_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MCVD_MAX_DIMS = 8 };

/* name, safetensors word, bytes per element */
#define MCVD_DTYPE_LIST(X)  \
    X(MCVD_F32, "F32", 4)   \
    X(MCVD_F64, "F64", 8)   \
    X(MCVD_I64, "I64", 8)   \
    X(MCVD_I32, "I32", 4)   \
    X(MCVD_U8, "U8", 1)     \
    X(MCVD_BF16, "BF16", 2) \
    X(MCVD_F16, "F16", 2)   \
    X(MCVD_I16, "I16", 2)   \
    X(MCVD_I8, "I8", 1)     \
    X(MCVD_U16, "U16", 2)   \
    X(MCVD_U32, "U32", 4)   \
    X(MCVD_U64, "U64", 8)   \
    X(MCVD_BOOL, "BOOL", 1)

#define MCVD_DTYPE_ENUM(name, word, bytes) name,
typedef enum mcvd_dtype { MCVD_DTYPE_LIST(MCVD_DTYPE_ENUM) MCVD_NUM_DTYPES } mcvd_dtype;

typedef struct mcvd_tensor {
    mcvd_dtype dtype;
    int ndim;                    /* 0 is a scalar: one element */
    size_t shape[MCVD_MAX_DIMS]; /* row-major, the last axis is contiguous */
    void *data;
} mcvd_tensor;

/** Bytes of one element. */
MCVD_API size_t mcvd_dtype_bytes(mcvd_dtype dtype);

/** The word that safetensors files use, for example "F32". */
MCVD_API const char *mcvd_dtype_word(mcvd_dtype dtype);

/** Number of elements; the caller has checked that the product fits (readers do). */
MCVD_API size_t mcvd_tensor_numel(const mcvd_tensor *tensor);

/** A view with up to four axes; pass ndim axes, the rest is ignored. */
MCVD_API mcvd_tensor mcvd_tensor_view(mcvd_dtype dtype, void *data, int ndim, const size_t *shape);

/** Writes "[2, 6, 16, 16]" into text, cut to capacity. Returns text. */
MCVD_API char *mcvd_tensor_shape_text(const mcvd_tensor *tensor, char *text, size_t capacity);

/**
 * Exchange order to working order and back, one block of stacked frames.
 * to_nhwc:  dst[n, h, w, c] = src[n, c, h, w];  to_nchw: the reverse. F32, no overlap.
 */
MCVD_API void mcvd_tensor_to_nhwc(float *dst, const float *src, size_t n, size_t c, size_t hw);
MCVD_API void mcvd_tensor_to_nchw(float *dst, const float *src, size_t n, size_t c, size_t hw);

#ifdef __cplusplus
}
#endif

#endif
