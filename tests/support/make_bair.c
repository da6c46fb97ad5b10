/* make_bair FILE CLIPS FRAMES SEED: a TFRecord file in the layout of BAIR, of bright squares that
 * move by their actions over a grid. Written from the format's definition, not with the reader's
 * code. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, CHANNELS = 3, IMAGE_BYTES = SIDE * SIDE * CHANNELS, SQUARE = 12 };

typedef struct buffer {
    uint8_t *data;
    size_t bytes, capacity;
} buffer;

static void put(buffer *b, const void *data, size_t bytes)
{
    if (b->bytes + bytes > b->capacity) {
        b->capacity = 2 * (b->bytes + bytes);
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

static void put_varint(buffer *b, uint64_t value)
{
    do {
        const uint8_t byte = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        put(b, &byte, 1);
        value >>= 7;
    } while (value);
}

/* A field of bytes: tag, length, content. */
static void put_field(buffer *b, unsigned number, const void *data, size_t bytes)
{
    put_varint(b, number << 3 | 2);
    put_varint(b, bytes);
    put(b, data, bytes);
}

/* Features { 1: { 1: key, 2: Feature { list: { 1: value } } } } */
static void put_entry(buffer *features, const char *key, unsigned list, const void *value,
                      size_t bytes)
{
    buffer inner = { 0 };
    buffer feature = { 0 };
    buffer entry = { 0 };

    put_field(&inner, 1, value, bytes);
    put_field(&feature, list, inner.data, inner.bytes);
    put_field(&entry, 1, key, strlen(key));
    put_field(&entry, 2, feature.data, feature.bytes);
    put_field(features, 1, entry.data, entry.bytes);
    free(inner.data);
    free(feature.data);
    free(entry.data);
}

/* Bit by bit, as the definition has it. */
static uint32_t masked_crc(const uint8_t *data, size_t bytes)
{
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static void put_little(buffer *b, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> 8 * i);
        put(b, &byte, 1);
    }
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void draw(uint8_t *image, int x, int y, unsigned clip, int shift)
{
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            const int inside = r >= y && r < y + SQUARE && c >= x && c < x + SQUARE;
            uint8_t *p = image + (r * SIDE + c) * CHANNELS;
            p[0] = (uint8_t)(inside ? 230 : 40 + ((r / 8 + c / 8) & 1) * 30 + shift);
            p[1] = (uint8_t)(inside ? 60 + 37 * clip % 150 : 60);
            p[2] = (uint8_t)(inside ? 40 : 90 + r / 2);
        }
}

static int inside(int value)
{
    return value < 0 ? 0 : value > SIDE - SQUARE ? SIDE - SQUARE : value;
}

static void put_clip(buffer *features, unsigned clip, unsigned frames, unsigned *seed)
{
    uint8_t image[IMAGE_BYTES];
    char key[64];
    int x = (int)(next_random(seed) % (SIDE - SQUARE));
    int y = (int)(next_random(seed) % (SIDE - SQUARE));

    for (unsigned f = 0; f < frames; f++) {
        const int dx = (int)(next_random(seed) % 9) - 4;
        const int dy = (int)(next_random(seed) % 9) - 4;
        const float action[4] = { 0.25f * (float)dx, 0.25f * (float)dy, 0.0f, 1.0f };
        const float place[3] = { (float)x / SIDE, (float)y / SIDE, 0.0f };
        snprintf(key, sizeof key, "%u/image_main/encoded", f);
        draw(image, y, x, clip, 10);
        put_entry(features, key, 1, image, sizeof image);
        snprintf(key, sizeof key, "%u/image_aux1/encoded", f);
        draw(image, x, y, clip, 0);
        put_entry(features, key, 1, image, sizeof image);
        snprintf(key, sizeof key, "%u/action", f);
        put_entry(features, key, 2, action, sizeof action);
        snprintf(key, sizeof key, "%u/endeffector_pos", f);
        put_entry(features, key, 2, place, sizeof place);
        x = inside(x + dx);
        y = inside(y + dy);
    }
}

static int write_record(FILE *file, const buffer *features)
{
    buffer example = { 0 };
    buffer record = { 0 };

    put_field(&example, 1, features->data, features->bytes);
    put_little(&record, example.bytes, 8);
    put_little(&record, masked_crc(record.data, 8), 4);
    put(&record, example.data, example.bytes);
    put_little(&record, masked_crc(example.data, example.bytes), 4);
    const int failed = fwrite(record.data, 1, record.bytes, file) != record.bytes;
    free(example.data);
    free(record.data);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: make_bair FILE CLIPS FRAMES SEED\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "wb");
    unsigned seed = (unsigned)strtoul(argv[4], NULL, 10);
    int failed = !file;

    for (unsigned clip = 0; !failed && clip < strtoul(argv[2], NULL, 10); clip++) {
        buffer features = { 0 };
        put_clip(&features, clip, (unsigned)strtoul(argv[3], NULL, 10), &seed);
        failed = write_record(file, &features);
        free(features.data);
    }
    if (file && fclose(file) != 0)
        failed = 1;
    return failed;
}
