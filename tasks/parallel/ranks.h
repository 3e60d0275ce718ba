// SPDX-License-Identifier: MIT
// The processes of a job: this one, or the ranks that an MPI launcher started (mpirun, srun). Rank
// 0 prints and writes files; the standard output of the others is closed. All ranks take the same
// path: a failure of one becomes a failure of all where they next agree.
#ifndef GB_RANKS_H
#define GB_RANKS_H

#include "base/json.h"
#include "base/status.h"
#include "kernels/parallel.h"
#include "tasks/parallel/transport.h"

struct gb_ranks {
    int rank, count;
    bool overlaps;            // any thread may call gb_ranks_post and _progress, one at a time
    const char *library;      // of MPI, with its version; "" for a process by itself
    const char *const *hosts; // of every rank
};

// A process by itself before gb_ranks_begin.
const struct gb_ranks *gb_ranks(void);
static inline bool gb_ranks_lead(void) {
    return gb_ranks()->rank == 0;
}

// "ranks", "hosts", "library" and "overlap", a new reference; NULL without memory.
json_t *gb_ranks_json(void);

// For commands that ranks share: joins the job where a launcher started this process, else does
// nothing. Ranks that share CPUs of a host divide them, and their default of threads follows. To be
// called once, before any thread is started. GB_MPI_OVERLAP=1 in the environment asks for calls of
// any thread, where MPI allows them. GB_UNSUPPORTED where the module with MPI cannot be loaded,
// GB_BAD_INPUT for another value of that variable, GB_OUT_OF_MEMORY.
enum gb_status gb_ranks_begin(void);
// For other commands: GB_BAD_INPUT under a launcher of several processes.
enum gb_status gb_ranks_refuse(const char *command);

// Ends this rank's command with its status; returns the job's, with its message, which rank 0
// prints before it leaves. Does not return where the other ranks do not come here: then this rank
// prints.
enum gb_status gb_ranks_end(enum gb_status status);
// A launcher ends all ranks as soon as one has left with a failure: this waits for the others.
void gb_ranks_leave(void);

// ---- For all ranks at the same time ----
// With one rank these do nothing.

// GB_OK if all ranks have it; else the failure of the first that has one, whose message names it
// unless all ranks fail. `flags` (NULL: none) become those that any rank has set.
enum gb_status gb_ranks_agree(enum gb_status status, unsigned *flags);

// As in struct gb_transport. What is posted is finished before anything else is called here.
void gb_ranks_post(const struct gb_message *messages, int count);
void gb_ranks_progress(void);
void gb_ranks_finish(void);
void gb_ranks_all_gather(void *data, const size_t *offsets);

// This rank's share of `count` items, and the gathering of all shares: `bytes` per item.
struct gb_range gb_ranks_share(int count);
void gb_ranks_gather_shares(void *data, int count, size_t bytes);

#endif
