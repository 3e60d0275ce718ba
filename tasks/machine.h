// SPDX-License-Identifier: MIT
// The machine, the build and the libraries that a result came from.
#ifndef GB_MACHINE_H
#define GB_MACHINE_H

#include <jansson.h>

#include "base/status.h"

// Threads that a run takes where it is not told: OMP_NUM_THREADS if set, else as many as the CPUs
// that this process may use. Of a build on POSIX threads, for ThreadSanitizer: all CPUs.
int gb_machine_threads(void);

// A new JSON object, the caller's to json_decref; NULL where it fails:
//   cpu        model, microcode ("" unknown), instruction_sets, packages, cores, cpus, numa_nodes
//   caches     one object a level: level, bytes (each), instances, cpus (that share one)
//   memory_bytes
//   frequency  governor, turbo ("on", "off"); "" where the system does not tell
//   load_average  of the last minute: other work that slows a measurement; -1 unknown
//   system     distribution, kernel
//   build      version, commit, type, compiler, flags, isa_flags
//   libraries  a version each
//   backends   one object each: name, supported, needs, default, same_bits (for any number of
//              threads), library (a foreign one's version, else ""), borrowed (kernels that the
//              library lacks and the best native backend lends)
//   threads    gb_machine_threads()
enum gb_status gb_machine_json(json_t **machine);

#endif
