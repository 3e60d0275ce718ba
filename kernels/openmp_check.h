// SPDX-License-Identifier: MIT
// Whether the system grants OpenMP's threads, whose stacks have another size than those of the
// program's own (OMP_STACKSIZE): before a library runs on them, since the runtime ends the process
// where it cannot start one.
#ifndef GB_OPENMP_CHECK_H
#define GB_OPENMP_CHECK_H

#include "base/status.h"

// Tries as many as gb_parallel_check has granted, in a child. GB_UNSUPPORTED with the reason.
enum gb_status gb_openmp_check(void);

#endif
