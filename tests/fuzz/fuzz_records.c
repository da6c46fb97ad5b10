/* Any bytes as a file of TFRecords, as the Example of a record, as the index of a store and as
 * KTH's list of sequences: a status and a message, or values that can be read to the last one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "data/example.h"
#include "data/kth_sequences.h"
#include "data/store.h"
#include "data/tfrecord.h"
#include "fuzz/fuzz.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static volatile uint8_t sink;

static void touch(mcvdi_wire_span span)
{
    for (size_t i = 0; i < span.bytes; i++)
        sink = (uint8_t)(sink + span.data[i]);
}

static void read_example(const uint8_t *data, size_t size)
{
    uint8_t *copy = mcvdi_malloc(size ? size : 1); /* so that a byte too many is seen */
    mcvdi_example example = { 0 };
    mcvdi_wire_span value;
    float floats[4];

    require(copy != NULL, "memory");
    for (size_t i = 0; i < size; i++)
        copy[i] = data[i];
    if (mcvdi_example_parse(&example, copy, size) >= 0) {
        for (size_t i = 0; i < example.count; i++) {
            touch(example.entries[i].key);
            touch(example.entries[i].feature);
        }
        if (mcvdi_example_bytes(&example, "0/image_aux1/encoded", &value) >= 0)
            touch(value);
        (void)mcvdi_example_floats(&example, "0/action", floats, 4);
    }
    mcvdi_example_release(&example);
    mcvdi_free(copy);
}

static void read_records(const char *path)
{
    mcvdi_tfrecords file;

    require(mcvdi_tfrecord_scan(&file, path) >= 0, "any file can be scanned");
    for (size_t i = 0; i < file.count; i++) {
        const size_t bytes = file.records[i].bytes;
        uint8_t *payload = mcvdi_malloc(bytes ? bytes : 1);
        require(payload != NULL, "memory");
        if (mcvdi_tfrecord_read(&file, i, payload) >= 0)
            read_example(payload, bytes);
        mcvdi_free(payload);
    }
    mcvdi_tfrecord_release(&file);
}

static void read_index(const char *path, size_t size)
{
    mcvdi_store_index index;
    uint64_t frames = 0;

    if (mcvdi_store_index_read(&index, path) < 0) {
        require(mcvd_last_error()[0] != '\0', "bad bytes are told");
        return;
    }
    for (size_t i = 0; i < index.count; i++) {
        require(index.clips[i].first_frame == frames, "clips follow each other");
        frames += index.clips[i].num_frames;
    }
    require(frames == index.num_frames && index.bytes <= size, "sums of the index");
    mcvdi_store_index_release(&index);
}

static void read_list(const char *path)
{
    mcvdi_kth_sequences list;
    size_t stretches = 0;

    if (mcvdi_kth_sequences_read(&list, path) < 0) {
        require(mcvd_last_error()[0] != '\0', "bad bytes are told");
        return;
    }
    for (size_t i = 0; i < list.num_films; i++) {
        require(list.films[i].first_stretch == stretches, "films follow each other");
        stretches += list.films[i].num_stretches;
    }
    require(stretches == list.num_stretches, "every stretch has a film");
    for (size_t i = 0; i < stretches; i++)
        require(list.stretches[i].count > 0, "no stretch is empty");
    mcvdi_kth_sequences_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_example(data, size);
    read_records(path);
    read_index(path, size);
    read_list(path);
    close(fd);
    return 0;
}
