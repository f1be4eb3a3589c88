# rows 105, 106 and 109: no space, by a limit on file sizes, a full device, a full disk
(ulimit -f 1 && t train toys $(quick a) -q)
ls -A a
thimble train toys $(quick b) -q >/dev/null
cp b/model.thimble before
(ulimit -f 200 && t train --resume -o b -e 3 -q)
cmp b/model.thimble before && ls -A b | grep -c tmp
rm b/metrics.jsonl && ln -s /dev/full b/metrics.jsonl
t train --resume -o b -e 3 # it goes on with one warning
(ulimit -f 10 && t sample c -n 2 -j 1 -q)
(ulimit -f 10 && t preview toys -o c.png)
for command in help version "info run/model.thimble" "predict run/model.thimble toys/validation" "completion bash"; do
    say thimble $command
    thimble $command >/dev/full
    echo "[$?]"
done
unshare -rm true 2>/dev/null || { echo "no mount namespace here"; exit; }
mkdir disk
unshare -rm bash -c 'mount -t tmpfs -o size=600k none disk && thimble train toys '"$(quick disk/x)"' -q
    echo "[$?]"; ls -A disk/x'
