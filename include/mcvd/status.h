/* Status codes and the message that explains the last failure. */
#ifndef MCVD_STATUS_H
#define MCVD_STATUS_H

#include <mcvd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is success, negative is failure, positive is news. One list makes codes, names and texts. */
#define MCVD_STATUS_LIST(X)                                                      \
    X(MCVD_EOF, 1, "no more frames")                                             \
    X(MCVD_OK, 0, "success")                                                     \
    X(MCVD_E_NOMEM, -1, "out of memory")                                         \
    X(MCVD_E_SHAPE, -2, "tensor shapes do not fit together")                     \
    X(MCVD_E_RANGE, -3, "value outside its allowed range")                       \
    X(MCVD_E_FORMAT, -4, "content is not what the file claims")                  \
    X(MCVD_E_NONFINITE, -5, "a NaN or infinity appeared")                        \
    X(MCVD_E_CONFIG, -6, "the configuration is wrong")                           \
    X(MCVD_E_IO, -7, "input/output error while writing or reading")              \
    X(MCVD_E_DECODE, -8, "the video cannot be decoded")                          \
    X(MCVD_E_STATE, -9, "the call does not fit the object's state")              \
    X(MCVD_E_EXISTS, -10, "the output exists already")                           \
    X(MCVD_E_INPUT, -11, "an input is missing, unreadable or does not fit")      \
    X(MCVD_E_MODEL, -12, "the model or checkpoint is missing, damaged or wrong") \
    X(MCVD_E_USAGE, -13, "wrong usage")                                          \
    X(MCVD_E_UNSUPPORTED, -14, "not available in this build or on this machine") \
    X(MCVD_E_INTERRUPTED, -15, "stopped on request")

#define MCVD_STATUS_ENUM(name, value, text) name = value,
typedef enum mcvd_status { MCVD_STATUS_LIST(MCVD_STATUS_ENUM) } mcvd_status;

/** The enumerator's name, for example "MCVD_E_SHAPE"; "unknown status" for any other value. */
MCVD_API const char *mcvd_status_name(mcvd_status status);

/** One short English phrase for a status. */
MCVD_API const char *mcvd_status_text(mcvd_status status);

/**
 * The message of the most recent failure in the calling thread: what was expected and what was
 * found, one line. Never NULL; "" when nothing has failed yet. Valid until the next failure in
 * this thread.
 */
MCVD_API const char *mcvd_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
