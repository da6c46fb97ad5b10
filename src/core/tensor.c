#include <mcvd/tensor.h>

#include <stdio.h>

#define DTYPE_BYTES(name, word, bytes) bytes,
#define DTYPE_WORD(name, word, bytes)  word,

static const size_t dtype_bytes[] = { MCVD_DTYPE_LIST(DTYPE_BYTES) };
static const char *const dtype_words[] = { MCVD_DTYPE_LIST(DTYPE_WORD) };

size_t mcvd_dtype_bytes(mcvd_dtype dtype)
{
    return (unsigned)dtype < MCVD_NUM_DTYPES ? dtype_bytes[dtype] : 0;
}

const char *mcvd_dtype_word(mcvd_dtype dtype)
{
    return (unsigned)dtype < MCVD_NUM_DTYPES ? dtype_words[dtype] : "unknown";
}

size_t mcvd_tensor_numel(const mcvd_tensor *tensor)
{
    size_t numel = 1;

    for (int i = 0; i < tensor->ndim; i++)
        numel *= tensor->shape[i];
    return numel;
}

mcvd_tensor mcvd_tensor_view(mcvd_dtype dtype, void *data, int ndim, const size_t *shape)
{
    mcvd_tensor tensor = { .dtype = dtype, .ndim = ndim, .data = data };

    for (int i = 0; i < ndim && i < MCVD_MAX_DIMS; i++)
        tensor.shape[i] = shape[i];
    return tensor;
}

char *mcvd_tensor_shape_text(const mcvd_tensor *tensor, char *text, size_t capacity)
{
    size_t used = 0;

    if (!capacity)
        return text;
    text[0] = '\0';
    for (int i = 0; i <= tensor->ndim && used < capacity; i++) {
        char *const at = text + used;
        int length;

        if (i == tensor->ndim)
            length = snprintf(at, capacity - used, i ? "]" : "[]");
        else
            length = snprintf(at, capacity - used, i ? ", %zu" : "[%zu", tensor->shape[i]);
        used += length > 0 ? (size_t)length : 0;
    }
    return text;
}

/* dst[j, i] = src[i, j] in tiles, so that both sides stay in the nearest cache. */
static void transpose(float *dst, const float *src, size_t rows, size_t columns)
{
    enum { TILE = 32 };

    for (size_t i0 = 0; i0 < rows; i0 += TILE) {
        const size_t i1 = rows - i0 < TILE ? rows : i0 + TILE;
        for (size_t j0 = 0; j0 < columns; j0 += TILE) {
            const size_t j1 = columns - j0 < TILE ? columns : j0 + TILE;
            for (size_t j = j0; j < j1; j++)
                for (size_t i = i0; i < i1; i++)
                    dst[j * rows + i] = src[i * columns + j];
        }
    }
}

void mcvd_tensor_to_nhwc(float *dst, const float *src, size_t n, size_t c, size_t hw)
{
    for (size_t i = 0; i < n; i++)
        transpose(dst + i * c * hw, src + i * c * hw, c, hw);
}

void mcvd_tensor_to_nchw(float *dst, const float *src, size_t n, size_t c, size_t hw)
{
    for (size_t i = 0; i < n; i++)
        transpose(dst + i * c * hw, src + i * c * hw, hw, c);
}
