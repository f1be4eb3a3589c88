# the bar moves on a terminal of 80 columns and does not wrap; nowhere else; NO_COLOR
command -v script >/dev/null || skip_case "there is no script(1)"
seen() { # ENVIRONMENT COMMAND: what a terminal gets
    script -qec "stty cols 80; $*" /dev/null
}
seen thimble train toys $(quick a) -e 3 >out
tr '\r' '\n' <out | sed 's/\x1b\[K//g' | awk 'length > 79 {print "wraps: " $0}'
grep -c $'\r.*\[=*>*\.*\].*img/s.*loss' out
grep -c 'validating' out
seen thimble info nomodel | cat -v
seen NO_COLOR=1 thimble info nomodel | cat -v
seen TERM=dumb thimble train toys $(quick b) | grep -c '\[[=>.]*\]'
thimble train toys $(quick c) 2>&1 | grep -c $'\r'
true
