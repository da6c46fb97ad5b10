/* Files and folders: whole reads with a cap, atomic writes. Every path is an UTF-8 C string. */
#ifndef MCVDI_FILEIO_H
#define MCVDI_FILEIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Read a whole regular file of at most max_bytes; *text is NUL-terminated, freed with mcvdi_free.
 * MCVD_E_INPUT (missing, a folder, unreadable, too large), MCVD_E_IO, MCVD_E_NOMEM. */
mcvd_status mcvdi_file_read(char **text, size_t *bytes, const char *path, size_t max_bytes);

/* An output that appears under its name only when it is complete: a temporary file in the same
 * folder, then sync, rename, sync of the folder. */
typedef struct mcvdi_atomic_file mcvdi_atomic_file;

/* overwrite = false refuses an existing path with MCVD_E_EXISTS, here and again at commit. A
 * symbolic link is followed; folders and devices are refused with MCVD_E_IO. */
mcvd_status mcvdi_atomic_open(mcvdi_atomic_file **out, const char *path, bool overwrite);
/* The temporary file's name, for libraries that open by name; owned by the object. */
const char *mcvdi_atomic_path(const mcvdi_atomic_file *file);
mcvd_status mcvdi_atomic_write(mcvdi_atomic_file *file, const void *data, size_t bytes);
/* Commit and free; on failure the temporary file is gone and nothing has changed, except when the
 * folder cannot be synced: then the file is in place but may not survive a power loss. */
mcvd_status mcvdi_atomic_commit(mcvdi_atomic_file **file);
/* Drop the temporary file and free; NULL or a committed (NULL) object is fine. */
void mcvdi_atomic_discard(mcvdi_atomic_file **file);

/* Write a small text whole or not at all. */
mcvd_status mcvdi_file_write(const char *path, const void *data, size_t bytes, bool overwrite);

bool mcvdi_path_exists(const char *path);
bool mcvdi_path_is_folder(const char *path);
mcvd_status mcvdi_make_folders(const char *path); /* like mkdir -p */
mcvd_status mcvdi_sync_folder(const char *path);

/* Sorted names (byte order, no "." and "..", no hidden ones) of a folder; free with
 * mcvdi_names_free. */
mcvd_status mcvdi_folder_names(char ***names, size_t *count, const char *path);
void mcvdi_names_free(char ***names, size_t count);

/* One writer: take folder/lock until *fd is closed or the process ends. MCVD_E_STATE with "another
 * process <does>" when somebody has it, MCVD_E_IO, MCVD_E_NOMEM; *fd may be open then as well. */
mcvd_status mcvdi_folder_lock(int *fd, const char *folder, const char *does);

#endif
