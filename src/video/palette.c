#include "video/palette.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

enum { COLOURS = 256, SLOTS = 1024, CELLS = 32, BINS = CELLS * CELLS * CELLS };

/* Part of the colour cube, bounds included, in cells of 8 levels. */
typedef struct box {
    int lo[3];
    int hi[3];
    uint64_t population;
} box;

struct mcvdi_palette {
    uint32_t keys[SLOTS]; /* exact colours: 0 is free, else 0xFFRRGGBB */
    uint8_t values[SLOTS];
    uint32_t counts[BINS];
    uint64_t sums[BINS][3];
    uint8_t index_of[BINS];
    box boxes[COLOURS];
};

mcvd_status mcvdi_palette_create(mcvdi_palette **out)
{
    *out = mcvdi_calloc(1, sizeof **out);
    return *out ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "palette: %zu bytes", sizeof **out);
}

void mcvdi_palette_free(mcvdi_palette **palette)
{
    mcvdi_free(*palette);
    *palette = NULL;
}

static uint32_t opaque(const uint8_t *p)
{
    return 0xFF000000u | (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* The slot of a colour or the free one where it belongs. */
static size_t find_slot(const mcvdi_palette *p, uint32_t colour)
{
    size_t slot = (colour * 2654435761u) >> 22;

    while (p->keys[slot] && p->keys[slot] != colour)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* False when there are more than 256 colours. */
static bool reduce_exactly(mcvdi_palette *p, const uint8_t *rgb, size_t n, uint8_t *indices,
                           uint32_t *colours)
{
    size_t used = 0;

    memset(p->keys, 0, sizeof p->keys);
    for (size_t i = 0; i < n; i++) {
        const uint32_t colour = opaque(rgb + 3 * i);
        const size_t slot = find_slot(p, colour);
        if (!p->keys[slot]) {
            if (used == COLOURS)
                return false;
            p->keys[slot] = colour;
            p->values[slot] = (uint8_t)used;
            colours[used++] = colour;
        }
        indices[i] = p->values[slot];
    }
    return true;
}

static size_t bin_of(const uint8_t *p)
{
    return (size_t)(p[0] >> 3) << 10 | (size_t)(p[1] >> 3) << 5 | (size_t)(p[2] >> 3);
}

static void fill_bins(mcvdi_palette *p, const uint8_t *rgb, size_t n)
{
    memset(p->counts, 0, sizeof p->counts);
    memset(p->sums, 0, sizeof p->sums);
    for (size_t i = 0; i < n; i++) {
        const size_t bin = bin_of(rgb + 3 * i);
        p->counts[bin]++;
        for (int c = 0; c < 3; c++)
            p->sums[bin][c] += rgb[3 * i + (size_t)c];
    }
}

/* Pixels of a box per cell along one axis: marginal[cell]. */
static void count_along(const mcvdi_palette *p, const box *b, int axis, uint64_t marginal[CELLS])
{
    int at[3];

    memset(marginal, 0, CELLS * sizeof *marginal);
    for (at[0] = b->lo[0]; at[0] <= b->hi[0]; at[0]++) {
        for (at[1] = b->lo[1]; at[1] <= b->hi[1]; at[1]++) {
            for (at[2] = b->lo[2]; at[2] <= b->hi[2]; at[2]++)
                marginal[at[axis]] += p->counts[at[0] << 10 | at[1] << 5 | at[2]];
        }
    }
}

/* Pull the bounds in to the occupied cells. */
static void shrink(const mcvdi_palette *p, box *b)
{
    uint64_t marginal[CELLS];

    for (int axis = 0; axis < 3; axis++) {
        count_along(p, b, axis, marginal);
        while (b->lo[axis] < b->hi[axis] && !marginal[b->lo[axis]])
            b->lo[axis]++;
        while (b->hi[axis] > b->lo[axis] && !marginal[b->hi[axis]])
            b->hi[axis]--;
    }
}

static int longest_axis(const box *b)
{
    int axis = 0;

    for (int c = 1; c < 3; c++) {
        if (b->hi[c] - b->lo[c] > b->hi[axis] - b->lo[axis])
            axis = c;
    }
    return axis;
}

/* Cut at the median of the longest axis; both parts keep pixels. */
static void cut(const mcvdi_palette *p, box *b, box *other)
{
    const int axis = longest_axis(b);
    uint64_t marginal[CELLS];
    uint64_t below = 0;
    int at = b->lo[axis];

    count_along(p, b, axis, marginal);
    below = marginal[at];
    while (at + 1 < b->hi[axis] && below * 2 < b->population)
        below += marginal[++at];
    *other = *b;
    b->hi[axis] = at;
    b->population = below;
    other->lo[axis] = at + 1;
    other->population -= below;
    shrink(p, b);
    shrink(p, other);
}

static size_t make_boxes(mcvdi_palette *p, size_t n)
{
    size_t count = 1;

    p->boxes[0] = (box) { { 0, 0, 0 }, { CELLS - 1, CELLS - 1, CELLS - 1 }, n };
    shrink(p, &p->boxes[0]);
    while (count < COLOURS) {
        uint64_t best_score = 0;
        size_t best = 0;
        for (size_t i = 0; i < count; i++) {
            const box *b = &p->boxes[i];
            const int axis = longest_axis(b);
            const uint64_t range = (uint64_t)(b->hi[axis] - b->lo[axis]);
            const uint64_t score = b->population * range * range; /* about its squared error */
            if (score > best_score) {
                best_score = score;
                best = i;
            }
        }
        if (best_score == 0) /* every box is one cell */
            break;
        cut(p, &p->boxes[best], &p->boxes[count]);
        count++;
    }
    return count;
}

/* The mean colour of a box, and its number in all of its cells. */
static uint32_t settle(mcvdi_palette *p, size_t number)
{
    const box *b = &p->boxes[number];
    uint64_t sums[3] = { 0, 0, 0 };
    uint8_t mean[3];

    for (int r = b->lo[0]; r <= b->hi[0]; r++) {
        for (int g = b->lo[1]; g <= b->hi[1]; g++) {
            for (int c = b->lo[2]; c <= b->hi[2]; c++) {
                const int bin = r << 10 | g << 5 | c;
                p->index_of[bin] = (uint8_t)number;
                for (int k = 0; k < 3; k++)
                    sums[k] += p->sums[bin][k];
            }
        }
    }
    for (int k = 0; k < 3; k++)
        mean[k] = (uint8_t)((sums[k] + b->population / 2) / b->population);
    return opaque(mean);
}

void mcvdi_palette_reduce(mcvdi_palette *palette, const uint8_t *rgb, size_t n, uint8_t *indices,
                          uint32_t colours[256])
{
    for (size_t i = 0; i < COLOURS; i++)
        colours[i] = 0xFF000000u;
    if (n == 0 || reduce_exactly(palette, rgb, n, indices, colours))
        return;
    fill_bins(palette, rgb, n);
    const size_t count = make_boxes(palette, n);
    for (size_t i = 0; i < count; i++)
        colours[i] = settle(palette, i);
    for (size_t i = 0; i < n; i++)
        indices[i] = palette->index_of[bin_of(rgb + 3 * i)];
}
