# bench_table.awk - RESULT lines to a table, of text or Markdown, and to JSON
#
# Input as bench_result.h has it. Values of the same work, who and how are put together; `form` is text or
# markdown, `json` a file or empty; threads, rounds, machine and version are told on. A ratio is the time of
# Thimble's best median of that work over the row's; of the rows of one name the fastest is marked.
function field(name,    s) {
    if (!match($0, "\"" name "\": \"[^\"]*\"")) return ""
    s = substr($0, RSTART, RLENGTH)
    sub(/^[^:]*: "/, "", s)
    sub(/"$/, "", s)
    return s
}
function sorted(list, v,    n, i, j, x) {
    n = split(list, v, ", *")
    for (i = 1; i <= n; i++) v[i] += 0
    for (i = 2; i <= n; i++) {
        x = v[i]
        for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]
        v[j + 1] = x
    }
    return n
}
function cost(i) { return unit[i] ~ /\/s$/ ? 1 / middle[i] : middle[i] } # less is better
function short(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
function quoted(name, s) {
    gsub(/[\\"]/, "", s)
    return "\"" name "\": \"" s "\""
}

/^RESULT / {
    key = field("work") SUBSEP field("who") SUBSEP field("how")
    if (!(key in row)) {
        row[key] = ++rows
        work[rows] = field("work"); who[rows] = field("who"); how[rows] = field("how"); unit[rows] = field("unit")
        if (!(work[rows] in seen)) { seen[work[rows]] = 1; works[++n_works] = work[rows] }
    }
    s = $0
    sub(/.*"values": \[/, "", s)
    sub(/\].*/, "", s)
    i = row[key]
    all[i] = all[i] (all[i] == "" ? "" : ", ") s
}

END {
    for (i = 1; i <= rows; i++) {
        n[i] = sorted(all[i], v)
        low[i] = v[1]; high[i] = v[n[i]]
        middle[i] = n[i] % 2 ? v[(n[i] + 1) / 2] : (v[n[i] / 2] + v[n[i] / 2 + 1]) / 2
        if (middle[i] <= 0) middle[i] = 1e-9
        if (!((work[i], who[i]) in best) || cost(i) < cost(best[work[i], who[i]])) best[work[i], who[i]] = i
        if (who[i] == "Thimble" && (!(work[i] in ours) || cost(i) < ours[work[i]])) ours[work[i]] = cost(i)
    }
    if (form == "markdown") {
        print "| What | Who | How | Median | Min to max | Values | Ratio |"
        print "|---|---|---|---|---|---|---|"
    }
    for (w = 1; w <= n_works; w++) {
        if (form != "markdown") printf "%s%s\n", (w > 1 ? "\n" : ""), works[w]
        for (i = 1; i <= rows; i++) {
            if (work[i] != works[w]) continue
            ratio = work[i] in ours ? sprintf("%.2f", ours[work[i]] / cost(i)) : ""
            mark = best[work[i], who[i]] == i
            if (form == "markdown")
                printf "| %s | %s | %s | %s %s | %s to %s | %d | %s |\n", work[i], who[i], how[i], short(middle[i]),
                    unit[i], short(low[i]), short(high[i]), n[i], mark && ratio != "" ? "**" ratio "**" : ratio
            else
                printf "  %s %-22s %-30s %9s %-8s (%s to %s) of %d  %s\n", mark ? "*" : " ", who[i], how[i],
                    short(middle[i]), unit[i], short(low[i]), short(high[i]), n[i], ratio
            list = list (list == "" ? "" : ",\n") "    {" quoted("work", work[i]) ", " quoted("who", who[i]) ", " \
                quoted("how", how[i]) ", " quoted("unit", unit[i]) ", \"median\": " middle[i] ", \"min\": " low[i] \
                ", \"max\": " high[i] ", \"ratio\": " (ratio == "" ? "null" : ratio) ", \"values\": [" all[i] "]}"
        }
    }
    printf "\n%s, %s, %d threads, rounds: %d\n", version, machine, threads, rounds
    if (json != "")
        printf "{%s, %s, \"threads\": %d, \"rounds\": %d,\n  \"results\": [\n%s\n  ]}\n", quoted("version", version),
            quoted("machine", machine), threads, rounds, list >json
}
