/*
 * Published tables, digit for digit as Voleti, Jolicoeur-Martineau, Pal 2022 print them. Frame
 * metrics are the best of the trajectories, FVD is the mean over trajectories, known frames
 * included.
 */
#include <mcvd/metrics.h>

#include <string.h>

#define PAPER  "Voleti et al. 2022, tables as printed there"
#define QUOTED "quoted by third parties for MCVD, not seen in the paper itself"
#define QUOTED_ONCE                                                                         \
    "quoted by one later paper for MCVD, not seen in the paper itself; its clips, lengths " \
    "and trajectories could not be verified"
#define NO NULL

typedef struct published_table {
    const char *dataset;
    const char *task;
    int64_t past, frames;
    const mcvd_eval_published *rows;
    size_t count;
} published_table;

/* method, trained on, FVD, PSNR, SSIM, LPIPS */
static const mcvd_eval_published cityscapes_2_28[] = {
    { "SVG-LP", 10, "1300.26", NO, NO, "0.549 +- 0.06", PAPER },
    { "vRNN 1L", 10, "682.08", NO, NO, "0.304 +- 0.10", PAPER },
    { "Hier-vRNN", 10, "567.51", NO, NO, "0.264 +- 0.07", PAPER },
    { "GHVAE", 10, "418.00", NO, NO, "0.193 +- 0.014", PAPER },
    { "MCVD spatin", 5, "184.81", NO, NO, "0.121 +- 0.05", PAPER },
    { "MCVD concat", 5, "141.31", NO, NO, "0.112 +- 0.05", PAPER },
};

static const mcvd_eval_published bair_1_15[] = {
    { "LVT", 15, "125.8", NO, NO, NO, PAPER },
    { "DVD-GAN-FP", 15, "109.8", NO, NO, NO, PAPER },
    { "TrIVD-GAN-FP", 15, "103.3", NO, NO, NO, PAPER },
    { "VideoGPT", 15, "103.3", NO, NO, NO, PAPER },
    { "CCVS", 15, "99.0", NO, NO, NO, PAPER },
    { "Video Transformer", 15, "94-96", NO, NO, NO, PAPER },
    { "FitVid", 15, "93.6", NO, NO, NO, PAPER },
    { "MCVD spatin", 5, "103.8", "18.8", "0.826", NO, PAPER },
    { "MCVD concat", 5, "98.8", "18.8", "0.829", NO, PAPER },
    { "MCVD spatin past-mask", 5, "96.5", "18.8", "0.828", NO, PAPER },
    { "MCVD concat past-mask", 5, "95.6", "18.8", "0.832", NO, PAPER },
    { "MCVD concat past-future-mask", 5, "89.5", "16.9", "0.780", NO, PAPER },
};

static const mcvd_eval_published bair_2_14[] = {
    { "SAVP", 14, "116.4", NO, NO, NO, PAPER },
    { "MCVD spatin", 5, "94.1", "19.1", "0.836", NO, PAPER },
    { "MCVD spatin past-mask", 5, "90.5", "19.2", "0.837", NO, PAPER },
    { "MCVD concat", 5, "90.5", "19.1", "0.834", NO, PAPER },
    { "MCVD concat past-future-mask", 5, "89.6", "17.1", "0.787", NO, PAPER },
    { "MCVD concat past-mask", 5, "87.9", "19.1", "0.838", NO, PAPER },
};

static const mcvd_eval_published bair_2_28[] = {
    { "SVG-LP", 10, "256.6", NO, "0.816", NO, PAPER },
    { "SLAMP", 10, "245.0", "19.7", "0.818", NO, PAPER },
    { "SAVP", 10, "143.4", NO, "0.795", NO, PAPER },
    { "Hier-vRNN", 10, "143.4", NO, "0.822", NO, PAPER },
    { "MCVD spatin", 5, "132.1", "17.5", "0.779", NO, PAPER },
    { "MCVD spatin past-mask", 5, "127.9", "17.7", "0.789", NO, PAPER },
    { "MCVD concat", 5, "120.6", "17.6", "0.785", NO, PAPER },
    { "MCVD concat past-mask", 5, "119.0", "17.7", "0.797", NO, PAPER },
    { "MCVD concat past-future-mask", 5, "118.4", "16.2", "0.745", NO, PAPER },
};

static const mcvd_eval_published kth_10_30[] = {
    { "MCVD", 5, "323", "27.5", "0.835", NO, QUOTED },
};

static const mcvd_eval_published ucf101_generated[] = {
    { "MCVD", 0, "1143", NO, NO, NO, QUOTED_ONCE },
};

#define TABLE(dataset, task, past, frames, rows)                         \
    {                                                                    \
        dataset, task, past, frames, rows, sizeof(rows) / sizeof *(rows) \
    }
static const published_table tables[] = {
    TABLE("Cityscapes", "predict", 2, 28, cityscapes_2_28),
    TABLE("BAIR", "predict", 1, 15, bair_1_15),
    TABLE("BAIR", "predict", 2, 14, bair_2_14),
    TABLE("BAIR", "predict", 2, 28, bair_2_28),
    TABLE("KTH", "predict", 10, 30, kth_10_30),
    TABLE("UCF101", "generate", 0, 20, ucf101_generated),
};

size_t mcvd_eval_published_rows(const mcvd_eval_published **rows,
                                const mcvd_eval_protocol *protocol)
{
    const mcvd_eval_protocol *p = protocol;

    *rows = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].dataset, p->dataset) == 0 && strcmp(tables[i].task, p->task) == 0 &&
            tables[i].past == p->past && tables[i].frames == p->frames) {
            *rows = tables[i].rows;
            return tables[i].count;
        }
    return 0;
}
