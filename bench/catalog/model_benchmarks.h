// SPDX-License-Identifier: MIT
// Benchmarks of whole passes of models (bench/catalog/models.h): "step/train/cglow-horses-32b2" is
// a training step of batch 2, "sample/inverse/cglow-horses-32s10" ten samples for one image. FLOPs
// are those of convolutions, fully connected layers and inv1x1. Bytes are what Adam moves in a
// step, 24 a parameter, and in a sampling pass the parameters, read once; activations are left out,
// as in the ideal step (bench/peaks/peaks.h).
//
// Steps are timed at learning rate 0, so that every run does the same. Check: gb_backend_other runs
// the pass too, on models of their own (the scalar reference took 70 to 80 % of the time of a sweep
// of steps; the tests compare every backend's steps with it). Log-likelihoods, before and after a
// step, may differ by GB_CHECK_NATS of the larger of their value and the target's dimensions (each
// rounds a term of about a nat), the sum of the magnitudes of all gradients by the share
// GB_CHECK_GRADIENTS, sampled elements by GB_CHECK_SAMPLE of the larger of 1 and their value; of
// samples that are levels or labels, which rounding can turn into the next, the share
// GB_CHECK_TURNED may be others.
#ifndef GB_MODEL_BENCHMARKS_H
#define GB_MODEL_BENCHMARKS_H

#include "bench/catalog/model_run.h"
#include "bench/runner/benchmark.h"

#define GB_CHECK_NATS 1e-6
#define GB_CHECK_GRADIENTS 1e-6
#define GB_CHECK_SAMPLE 1e-3
#define GB_CHECK_TURNED 1e-2

// In bf16 the reference is the same model in fp32: rounding weights and activations moves
// likelihoods by this many nats per dimension (0.02 bits), the sum of gradients' magnitudes, and
// samples, of which a few elements differ by more.
#define GB_CHECK_NATS_BF16 0.0139
#define GB_CHECK_GRADIENTS_BF16 0.05
#define GB_CHECK_SAMPLE_BF16 0.25

// The text of a model's pass: "step/train/cglow-horses-64b2", in bf16 with "_bf16" after it.
void gb_pass_print(const struct gb_model_case *model, const struct gb_pass_use *use,
                   char text[static GB_PROBLEM]);

// As gb_kernel_benchmark, for a pass of one of `models`.
enum gb_status gb_pass_benchmark(const struct gb_model_case *models, const char *text,
                                 struct gb_benchmark *benchmark);
// The same for a pass that was recorded.
enum gb_status gb_recorded_pass_benchmark(const struct gb_model_case *model,
                                          const struct gb_pass_use *use,
                                          const struct gb_recorded_pass *pass,
                                          struct gb_benchmark *benchmark);

// The benchmark of a layer of the profiled pass `pass`, whose calls a recording has:
// "layer/coupling_forward/n2h16w16c12k256". It is timed in the real pass, with the caches as the
// layers before left them. FLOPs as of a pass; bytes: gb_layer_bytes. A job's seconds are those of
// its thread divided by the threads, which run other jobs meanwhile.
void gb_layer_benchmark(const struct gb_profiled *layer, const struct gb_benchmark *pass,
                        struct gb_benchmark *benchmark);

#endif
