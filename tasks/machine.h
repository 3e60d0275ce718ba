// SPDX-License-Identifier: MIT
// The machine, the build and the libraries that a result came from.
#ifndef GB_MACHINE_H
#define GB_MACHINE_H

#include <jansson.h>

#include "base/status.h"

enum { GB_MAX_THREADS = 256 };

// The default thread count: OMP_NUM_THREADS if that is a number from 1 to GB_MAX_THREADS, otherwise
// the number of CPUs that this process may use; all CPUs in a build on POSIX threads (for
// ThreadSanitizer).
int gb_machine_threads(void);

// *threads, or the default where it is 0, if the system grants that many; to be asked before the
// first threads start and before a vendor library is loaded, which starts OpenMP. GB_BAD_INPUT
// where the default would be an OMP_NUM_THREADS that is not a number from 1 to GB_MAX_THREADS, or
// OpenMP ignores another variable (kernels/openmp_settings.h), GB_UNSUPPORTED.
enum gb_status gb_machine_choose_threads(int *threads);

// A new JSON object, the caller's to json_decref; NULL where it fails:
//   cpu        model, microcode ("" unknown), instruction_sets, packages, cores, cpus, numa_nodes
//   caches     one object a level: level, bytes (each), instances, cpus (that share one)
//   memory_bytes
//   frequency  governor, turbo ("on", "off"); "" if the system does not report it
//   load_average  of the last minute: other work that slows a measurement; -1 unknown
//   system     distribution, kernel, product (gb_machine_product; left out if unknown)
//   build      version, commit, commit_date (left out if unknown), type, compiler, flags, isa_flags
//   libraries  a version each
//   backends   one object each: name, supported, needs, default, same_bits (for any number of
//              threads), library (the vendor library's version, else ""), fallback (its native
//              backend, else null), borrowed (kernels taken from it)
//   threads    gb_machine_threads()
enum gb_status gb_machine_json(json_t **machine);
// The same without `threads`, which start OpenMP: LLVM's ends the process where it lacks a file, or
// at some values of OMP_NUM_THREADS.
enum gb_status gb_machine_json_without_threads(json_t **machine);

// What the firmware calls the machine, by the files sys_vendor and product_name of a directory as
// GB_DMI: "Amazon EC2 c7i.xlarge". "" if the system hides it, as containers do, or there is only a
// placeholder.
#define GB_DMI "/sys/class/dmi/id"
enum { GB_PRODUCT = 128 };
void gb_machine_product(const char *directory, char product[static GB_PRODUCT]);

#endif
