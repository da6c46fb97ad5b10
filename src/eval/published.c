/*
 * Published tables, as Voleti, Jolicoeur-Martineau, Pal 2022 print them. Frame metrics are the best
 * of the trajectories, FVD is the mean over trajectories, known frames included.
 */
#include <mcvd/metrics.h>

#include <math.h>
#include <string.h>

#define PAPER  "Voleti et al. 2022, tables as printed there"
#define QUOTED "quoted by third parties for MCVD, not in the paper itself"
#define NO     NAN

typedef struct published_table {
    const char *dataset;
    int64_t past, frames;
    const mcvd_eval_published *rows;
    size_t count;
} published_table;

/* method, trained on, FVD, PSNR, SSIM, LPIPS */
static const mcvd_eval_published cityscapes_2_28[] = {
    { "SVG-LP", 10, 1300.26, NO, NO, 0.549, PAPER },
    { "vRNN 1L", 10, 682.08, NO, NO, 0.304, PAPER },
    { "Hier-vRNN", 10, 567.51, NO, NO, 0.264, PAPER },
    { "GHVAE", 10, 418.00, NO, NO, 0.193, PAPER },
    { "MCVD spatin", 5, 184.81, NO, NO, 0.121, PAPER },
    { "MCVD concat", 5, 141.31, NO, NO, 0.112, PAPER },
};

static const mcvd_eval_published bair_1_15[] = {
    { "LVT", 15, 125.8, NO, NO, NO, PAPER },
    { "DVD-GAN-FP", 15, 109.8, NO, NO, NO, PAPER },
    { "TrIVD-GAN-FP", 15, 103.3, NO, NO, NO, PAPER },
    { "VideoGPT", 15, 103.3, NO, NO, NO, PAPER },
    { "CCVS", 15, 99.0, NO, NO, NO, PAPER },
    { "Video Transformer (FVD 94-96)", 15, NO, NO, NO, NO, PAPER },
    { "FitVid", 15, 93.6, NO, NO, NO, PAPER },
    { "MCVD spatin", 5, 103.8, 18.8, 0.826, NO, PAPER },
    { "MCVD concat", 5, 98.8, 18.8, 0.829, NO, PAPER },
    { "MCVD spatin past-mask", 5, 96.5, 18.8, 0.828, NO, PAPER },
    { "MCVD concat past-mask", 5, 95.6, 18.8, 0.832, NO, PAPER },
    { "MCVD concat past-future-mask", 5, 89.5, 16.9, 0.780, NO, PAPER },
};

static const mcvd_eval_published bair_2_14[] = {
    { "SAVP", 14, 116.4, NO, NO, NO, PAPER },
    { "MCVD spatin", 5, 94.1, 19.1, 0.836, NO, PAPER },
    { "MCVD spatin past-mask", 5, 90.5, 19.2, 0.837, NO, PAPER },
    { "MCVD concat", 5, 90.5, 19.1, 0.834, NO, PAPER },
    { "MCVD concat past-future-mask", 5, 89.6, 17.1, 0.787, NO, PAPER },
    { "MCVD concat past-mask", 5, 87.9, 19.1, 0.838, NO, PAPER },
};

static const mcvd_eval_published bair_2_28[] = {
    { "SVG-LP", 10, 256.6, NO, 0.816, NO, PAPER },
    { "SLAMP", 10, 245.0, 19.7, 0.818, NO, PAPER },
    { "SAVP", 10, 143.4, NO, 0.795, NO, PAPER },
    { "Hier-vRNN", 10, 143.4, NO, 0.822, NO, PAPER },
    { "MCVD spatin", 5, 132.1, 17.5, 0.779, NO, PAPER },
    { "MCVD spatin past-mask", 5, 127.9, 17.7, 0.789, NO, PAPER },
    { "MCVD concat", 5, 120.6, 17.6, 0.785, NO, PAPER },
    { "MCVD concat past-mask", 5, 119.0, 17.7, 0.797, NO, PAPER },
    { "MCVD concat past-future-mask", 5, 118.4, 16.2, 0.745, NO, PAPER },
};

static const mcvd_eval_published kth_10_30[] = {
    { "MCVD", 5, 323.0, 27.5, 0.835, NO, QUOTED },
};

#define TABLE(dataset, past, frames, rows)                         \
    {                                                              \
        dataset, past, frames, rows, sizeof(rows) / sizeof *(rows) \
    }
static const published_table tables[] = {
    TABLE("Cityscapes", 2, 28, cityscapes_2_28),
    TABLE("BAIR", 1, 15, bair_1_15),
    TABLE("BAIR", 2, 14, bair_2_14),
    TABLE("BAIR", 2, 28, bair_2_28),
    TABLE("KTH", 10, 30, kth_10_30),
};

size_t mcvd_eval_published_rows(const mcvd_eval_published **rows, const char *dataset, int64_t past,
                                int64_t frames)
{
    *rows = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].dataset, dataset) == 0 && tables[i].past == past &&
            tables[i].frames == frames) {
            *rows = tables[i].rows;
            return tables[i].count;
        }
    return 0;
}
