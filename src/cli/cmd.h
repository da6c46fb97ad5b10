/* The subcommands: one file cmd_<name>.c and one line here for each. */
#ifndef MCVDI_CLI_CMD_H
#define MCVDI_CLI_CMD_H

#include <mcvd/status.h>

/* In the order of `mcvd --help`. */
#define MCVDI_COMMAND_LIST(X)                                                         \
    X(rollout, "predict, fill in or generate frames of a video")                      \
    X(train, "train a model on videos or on moving digits")                           \
    X(distill, "teach a model to sample in fewer steps")                              \
    X(metrics, "PSNR and SSIM of a video, or a folder of them, against the truth")    \
    X(eval, "benchmark a model beside copying, mean, black and linear extrapolation") \
    X(likelihood, "bits per dimension of videos under a model")                       \
    X(forward, "run the network once on tensors from a file")                         \
    X(prepare, "decode a public data set once, for training and benchmarks")          \
    X(import, "make a model file of the authors' PyTorch checkpoint")                 \
    X(export, "hand a model over to the authors' PyTorch code")                       \
    X(info, "what a model, checkpoint, run, video, data set or configuration is")     \
    X(bench, "time a network against the peak of this processor")                     \
    X(config, "print the resolved configuration, or every key")

/*
 * argv[0] is the subcommand's name. A command parses with mcvdi_args_parse and returns its status;
 * main prints the message of a failure and turns the status into the exit code.
 */
#define MCVDI_COMMAND_PROTOTYPE(name, help) mcvd_status mcvdi_cmd_##name(int argc, char **argv);
MCVDI_COMMAND_LIST(MCVDI_COMMAND_PROTOTYPE)

#endif
