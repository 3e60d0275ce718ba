// SPDX-License-Identifier: MIT
#include "bench/runner/gbench_shim.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

// Initialises Google Benchmark before its first run. Random order of repetitions is only available
// as a flag.
void initialize() {
    static bool done = false;
    if (done)
        return;
    done = true;
    // Static: it keeps a pointer to the name.
    static char name[] = "glowbench", interleave[] = "--benchmark_enable_random_interleaving=true";
    char *argv[] = {name, interleave, nullptr};
    int argc = 2;
    benchmark::Initialize(&argc, argv);
}

void repeat(benchmark::State &state, const gb_gbench &timed) {
    if (timed.prepare)
        timed.prepare(timed.argument);
    if (timed.run_seconds) {
        for (auto _ : state)
            state.SetIterationTime(timed.run_seconds(timed.argument));
    } else {
        for (auto _ : state)
            timed.run(timed.argument);
    }
    if (timed.finish)
        timed.finish(timed.argument);
    using benchmark::Counter;
    state.counters["FLOPS"] = Counter(timed.flops, Counter::kIsIterationInvariantRate);
    state.counters["bytes_per_second"] = Counter(timed.bytes, Counter::kIsIterationInvariantRate);
}

} // namespace

struct gb_gbench_report {
    using Runs = std::vector<benchmark::BenchmarkReporter::Run>;

    FILE *stream;
    std::ostringstream text;
    benchmark::JSONReporter json;
    bool begun = false;
    std::vector<Runs> held; // of the last gb_gbench_run, as Google Benchmark reported them
    int64_t families = 0;   // benchmarks written so far

    explicit gb_gbench_report(FILE *file) : stream(file) {
        json.SetOutputStream(&text);
        json.SetErrorStream(&text);
    }

    void begin(const benchmark::BenchmarkReporter::Context &context) {
        if (!begun)
            begun = json.ReportContext(context);
    }

    void flush() {
        const std::string written = text.str();
        std::fwrite(written.data(), 1, written.size(), stream);
        text.str("");
    }
};

namespace {

using benchmark::BenchmarkReporter;

// Collects the times of a group's benchmarks. The family of a benchmark is its index in the list.
class Collector : public BenchmarkReporter {
  public:
    Collector(const gb_gbench *list, gb_gbench_report *report) : list_(list), report_(report) {
        SetOutputStream(&nowhere_);
        SetErrorStream(&nowhere_);
    }

    bool ReportContext(const Context &context) override {
        if (report_)
            report_->begin(context);
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override {
        for (const Run &run : runs)
            if (run.run_type == Run::RT_Iteration)
                list_[run.family_index].seconds[run.repetition_index] =
                    run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
        if (report_)
            report_->held.push_back(runs);
    }

  private:
    const gb_gbench *list_;
    gb_gbench_report *report_;
    std::ostringstream nowhere_;
};

void run(const gb_gbench *list, int count, int repetitions, gb_gbench_report *report) {
    initialize();
    benchmark::ClearRegisteredBenchmarks();
    for (int i = 0; i < count; i++) {
        const gb_gbench &timed = list[i];
        auto *registered = benchmark::RegisterBenchmark(
            timed.name, [&timed](benchmark::State &state) { repeat(state, timed); });
        registered->Iterations(timed.iterations)->Repetitions(repetitions)->MeasureProcessCPUTime();
        if (timed.run_seconds)
            registered->UseManualTime();
        else
            registered->UseRealTime();
    }
    if (report)
        report->held.clear();
    Collector collector(list, report);
    benchmark::RunSpecifiedBenchmarks(&collector, "all");
    benchmark::ClearRegisteredBenchmarks();
}

// A run as the document shows it: with the threads that it really used, and without the number of
// iterations in its name, which differs between processes while tools match runs by name.
void retitle(BenchmarkReporter::Run &run, const gb_gbench &timed, int64_t family) {
    run.family_index = family;
    run.run_name.iterations.clear();
    run.run_name.threads = "threads:" + std::to_string(timed.threads);
    run.threads = timed.threads;
    if (timed.error) {
        run.error_occurred = true;
        run.error_message = timed.error;
        run.real_accumulated_time = run.cpu_accumulated_time = 0;
        run.counters.clear();
    }
}

void keep(gb_gbench_report &report, const gb_gbench *list) {
    int64_t newest = report.families;
    for (const auto &runs : report.held) {
        gb_gbench_report::Runs shown;
        for (BenchmarkReporter::Run run : runs) {
            const gb_gbench &timed = list[run.family_index];
            // No mean of invalid times.
            if (timed.error && run.run_type == BenchmarkReporter::Run::RT_Aggregate)
                continue;
            const int64_t family = report.families + run.family_index;
            newest = std::max(newest, family + 1);
            retitle(run, timed, family);
            shown.push_back(run);
        }
        if (!shown.empty())
            report.json.ReportRuns(shown);
    }
    report.families = newest;
    report.held.clear();
    report.flush();
}

gb_status failed(const std::exception &error) {
    return gb_fail(GB_OUT_OF_MEMORY, "cannot benchmark", "Google Benchmark", "%s", error.what());
}

} // namespace

enum gb_status gb_gbench_report_open(FILE *stream, const char *const *context,
                                     struct gb_gbench_report **report) {
    *report = nullptr;
    try {
        for (; *context; context += 2)
            benchmark::AddCustomContext(context[0], context[1]);
        *report = new gb_gbench_report(stream);
        return GB_OK;
    } catch (const std::exception &error) {
        return failed(error);
    }
}

enum gb_status gb_gbench_run(const struct gb_gbench *list, int count, int repetitions,
                             struct gb_gbench_report *report) {
    try {
        run(list, count, repetitions, report);
        return GB_OK;
    } catch (const std::exception &error) {
        return failed(error);
    }
}

enum gb_status gb_gbench_report_keep(struct gb_gbench_report *report,
                                     const struct gb_gbench *list) {
    try {
        keep(*report, list);
        return GB_OK;
    } catch (const std::exception &error) {
        return failed(error);
    }
}

void gb_gbench_report_close(struct gb_gbench_report *report) {
    const std::unique_ptr<gb_gbench_report> owned(report);
    if (!owned)
        return;
    owned->begin(
        BenchmarkReporter::Context()); // a sweep that timed nothing leaves a document as well
    owned->json.Finalize();
    owned->flush();
}
