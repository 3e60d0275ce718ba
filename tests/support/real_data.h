// SPDX-License-Identifier: MIT
// Published data sets, and numbers that the papers' authors' code computed ("oracles"), where the
// machine has them; tests on them are skipped elsewhere. By default they are next to the checkout,
// in `shared`; programs run in the repository's root.
//   $GB_SHARED_DATA       the data sets' archives; else shared/data
//   $GB_SHARED_ORACLES    the oracles' files; else shared/oracles
#ifndef GB_REAL_DATA_H
#define GB_REAL_DATA_H

// The directory `name` (such as "weizmann_horse") unpacked from the given archives (ended by NULL),
// which together hold it. They are unpacked once into $GB_DATA_CACHE or else ~/.cache/glowbench
// (XDG_CACHE_HOME is honoured). NULL, with a line saying why, where they are not there or do not
// unpack; the test then calls skip(). Valid until the next call.
const char *gb_real_data(const char *name, const char *const *archives);

// The path of a file or directory among the archives, such as "splits"; NULL if it is missing.
// Valid until the next call.
const char *gb_shared_data(const char *name);

// The path of an oracle's file, or of their directory for "."; NULL, with a line saying why, where
// there is none. Valid until the next call.
const char *gb_shared_oracle(const char *name);

#endif
