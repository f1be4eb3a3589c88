# row 121: a reader that goes away
thimble predict run/model.thimble toys toys toys toys | head -n 1 | wc -l
gone() { # what the command says of itself when nobody reads it any more
    (sleep 0.3 && thimble "$@" && echo 0 >code || echo $? >code) | true
    cat code
}
gone predict run/model.thimble toys
gone train toys $(quick a) -q
(sleep 0.3 && thimble train toys $(quick b) -e 3 2>&1; echo $? >code) | true
cat code
wc -l <b/metrics.jsonl
thimble train toys $(quick c) -q >&-
echo "[$?]"
thimble train toys $(quick d) 2>&-
echo "[$?]"
