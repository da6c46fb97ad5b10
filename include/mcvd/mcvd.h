/* All of the library. */
#ifndef MCVD_MCVD_H
#define MCVD_MCVD_H

#include <mcvd/bench.h>
#include <mcvd/config.h>
#include <mcvd/data.h>
#include <mcvd/digest.h>
#include <mcvd/distill.h>
#include <mcvd/export.h>
#include <mcvd/features.h>
#include <mcvd/footprint.h>
#include <mcvd/import.h>
#include <mcvd/likelihood.h>
#include <mcvd/log.h>
#include <mcvd/memory.h>
#include <mcvd/metrics.h>
#include <mcvd/model.h>
#include <mcvd/model_likelihood.h>
#include <mcvd/prepare.h>
#include <mcvd/rng.h>
#include <mcvd/rollout.h>
#include <mcvd/safetensors.h>
#include <mcvd/sampler.h>
#include <mcvd/schedule.h>
#include <mcvd/status.h>
#include <mcvd/tensor.h>
#include <mcvd/threads.h>
#include <mcvd/torch_export.h>
#include <mcvd/trainer.h>
#include <mcvd/version.h>
#include <mcvd/video.h>

#endif
