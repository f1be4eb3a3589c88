/* bench_result.c - the line by which script/bench learns what a program measured */
#include "bench_result.h"

#include <stdio.h>

void bench_result_print(const bench_result *result, const double *values, int n)
{
    printf("RESULT {\"work\": \"%s\", \"who\": \"%s\", \"how\": \"%s\", \"unit\": \"%s\", "
           "\"values\": [",
            result->work, result->who, result->how, result->unit);
    for (int i = 0; i < n; i++)
        printf("%s%.6g", i > 0 ? ", " : "", values[i]);
    puts("]}");
}
