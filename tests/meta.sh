# meta.sh - sourced by the scripts that test the tree: pass, fail, skip, finish
#
# Each script goes on after a failure, prints only what is wrong, and ends with its figures; script/test
# adds them up through $THIMBLE_TEST_TALLY, as it does for thimble-tests.
passed=0 failed=0 skipped=0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$*"
}
skip() {
    skipped=$((skipped + 1))
    printf 'skip %s\n' "$*"
}
# check NAME COMMAND...: passes if the command does; its output is shown if not.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then pass; else fail "$name"$'\n'"$output"; fi
}
finish() {
    printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    if [ -n "${THIMBLE_TEST_TALLY:-}" ]; then echo "$passed $failed $skipped" >>"$THIMBLE_TEST_TALLY"; fi
    [ $failed -eq 0 ] || exit 1
    [ $passed -gt 0 ] || exit 77
    exit 0
}
