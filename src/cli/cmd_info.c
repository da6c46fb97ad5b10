/* What a file or folder is, from its content. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/import.h>
#include <mcvd/log.h>

#include "cli/fail.h"
#include "cli/info.h"
#include "cli/parse.h"
#include "cli/path.h"

enum { PATH_BYTES = 4096, HEAD_BYTES = 64 };

static const mcvdi_arg args[] = {
    { .name = "FILE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "a model, checkpoint, run folder, PyTorch file, video, folder of pictures, videos or "
              "MNIST files, MNIST file, or configuration",
      .offset = offsetof(mcvdi_info_args, path) },
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration of bare weights or of a PyTorch file; default for the latter: the "
              "config.yml beside it",
      .offset = offsetof(mcvdi_info_args, config) },
    { .name = "--tensors",
      .type = MCVDI_ARG_FLAG,
      .help = "list the tensors with their shapes",
      .offset = offsetof(mcvdi_info_args, tensors) },
    { .name = "--measure",
      .type = MCVDI_ARG_FLAG,
      .help = "run a network of ours a few times: seconds per call and per block of sampling",
      .offset = offsetof(mcvdi_info_args, measure) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object, with the whole configuration",
      .offset = offsetof(mcvdi_info_args, json) },
};

static const mcvdi_arg_table table = {
    "info",
    "Tell what a file or folder is: networks with their tasks, size, cost (gmac: 1e9 "
    "multiply-adds\n"
    "of one call for one sample; reused_gmac: of these, what only the first call of a block\n"
    "computes), memory (weights, a call for one sample, a training step of training_batch "
    "samples,\n"
    "planned; and what this machine has free); videos with their format and times, data sets.\n"
    "PyTorch files are listed, never executed.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd info model.safetensors --tensors\n"
    "  mcvd info checkpoint.pt\n"
    "  mcvd info input.mp4 --json",
};

static bool is_in(const char *folder, const char *name)
{
    char path[PATH_BYTES];

    return mcvdi_path(path, sizeof path, "%s/%s", folder, name) >= 0 && access(path, R_OK) == 0;
}

static mcvd_status tell_folder(mcvdi_info_answer *to)
{
    const char *folder = to->args->path;
    char path[PATH_BYTES];

    if (is_in(folder, "config.json"))
        return mcvdi_info_run(to);
    if (is_in(folder, "checkpoint.pt")) {
        const mcvd_status st = mcvdi_path(path, sizeof path, "%s/checkpoint.pt", folder);
        return st < 0 ? st : mcvdi_info_torch(to, path);
    }
    if (is_in(folder, "train-images-idx3-ubyte") || is_in(folder, "t10k-images-idx3-ubyte"))
        return mcvdi_info_dataset(to);
    const mcvd_status st = mcvdi_info_video(to);
    return st == MCVD_E_INPUT ? mcvdi_info_dataset(to) : st;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool ends_with_one_of(const char *text, const char *a, const char *b, const char *c)
{
    return ends_with(text, a) || ends_with(text, b) || ends_with(text, c);
}

static mcvd_status tell_file(mcvdi_info_answer *to, double file_bytes)
{
    const char *path = to->args->path;
    unsigned char head[HEAD_BYTES + 1] = { 0 };
    FILE *file = fopen(path, "rb");

    if (!file)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    const size_t got = fread(head, 1, HEAD_BYTES, file);
    fclose(file);
    if (ends_with(path, ".safetensors") || (got > 8 && head[8] == '{' && !head[6] && !head[7]))
        return mcvdi_info_safetensors(to);
    if (ends_with_one_of(path, ".pt", ".pth", ".ckpt") || mcvd_torch_is_checkpoint(path))
        return mcvdi_info_torch(to, path);
    const size_t blank = strspn((const char *)head, " \t\r\n");
    if (ends_with_one_of(path, ".json", ".yml", ".yaml") || (blank < got && head[blank] == '{'))
        return mcvdi_info_config(to);
    if (got >= 8 && !head[0] && !head[1] && head[2] == 8 && head[3] >= 1 && head[3] <= 4 &&
        got >= 4u + 4u * head[3])
        return mcvdi_info_idx(to, head, file_bytes);
    return mcvdi_info_video(to);
}

/* Which keys of the authors' files have no effect is no news here. */
static void print_warning(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    if (level == MCVD_LOG_WARNING || level == MCVD_LOG_ERROR)
        mcvdi_cli_warn("%s", line);
}

mcvd_status mcvdi_cmd_info(int argc, char **argv)
{
    mcvdi_info_args a = { 0 };
    static mcvdi_info_answer answer;
    struct stat about;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    answer.args = &a;
    mcvd_log_set(print_warning, NULL);
    if (stat(a.path, &about) != 0)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", a.path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        st = tell_folder(&answer);
    else if (S_ISREG(about.st_mode))
        st = tell_file(&answer, (double)about.st_size);
    else
        st = mcvdi_cli_fail(MCVD_E_INPUT, "%s: expected a file or a folder", a.path);
    mcvdi_info_release(&answer);
    return st;
}
