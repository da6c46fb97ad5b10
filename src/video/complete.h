/* Whether a container ends where its header says; demuxers often take a cut file for a short one.
 */
#ifndef MCVDI_VIDEO_COMPLETE_H
#define MCVDI_VIDEO_COMPLETE_H

#include <stdbool.h>

/* fd: a regular file, its position is left alone. format: the demuxer's name. True also for
 * formats that do not tell. */
bool mcvdi_file_is_complete(int fd, const char *format);

#endif
