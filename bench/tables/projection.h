// SPDX-License-Identifier: MIT
// How long a training would have taken with a vendor library or PyTorch: not measured, but
// projected by the ratio of training steps that `results/backends.sh` timed on one machine.
#ifndef GB_PROJECTION_H
#define GB_PROJECTION_H

#include <jansson.h>

#include "base/status.h"
#include "bench/runner/row.h"

// Adds the training steps with a time of DIRECTORY/backends/steps/*.jsonl to `steps`, in byte order
// of the files' names; none if there is no such directory. GB_BAD_INPUT, GB_IO_ERROR or
// GB_OUT_OF_MEMORY; what was added before stays, and is freed with `steps`.
enum gb_status gb_backend_steps_read(const char *directory, struct gb_rows *steps);

enum { GB_PROJECTED = 128 };

// "oneDNN 10 min 22 s, PyTorch 39 min 20 s": `seconds` of training of a results row (of run
// configuration `run`) times the ratio of the fastest step of each to the step of the row's backend
// with the same problem, threads and label; the first of these steps that has one counts. "" if no
// step of this model, at its size and precision, was timed, or if the run changes the model's
// architecture.
void gb_projected_times(const struct gb_rows *steps, const json_t *run, const json_t *row,
                        double seconds, char text[static GB_PROJECTED]);

#endif
