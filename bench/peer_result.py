"""The line by which script/bench learns what a program measured (bench_result.h), and a clock."""
import json
import os
import time


def result(work, how, unit, values, who="PyTorch"):
    if "tcmalloc" in os.environ.get("LD_PRELOAD", ""):
        who += ", tcmalloc"
    print("RESULT " + json.dumps({"work": work, "who": who, "how": how, "unit": unit, "values": values}), flush=True)


def times_ms(call, rounds, warm=0):
    """Milliseconds of each call but the first `warm`, sorted."""
    times = []
    for _ in range(warm + rounds):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times[warm:])


def latency(work, how, ms, who="PyTorch"):
    """Of one photo, warm: all, and the 99th percentile; `ms` sorted."""
    result(f"{work}, one photo, warm", how, "ms", ms, who)
    result(f"{work}, one photo, warm, 99th percentile", how, "ms", [ms[len(ms) * 99 // 100]], who)
