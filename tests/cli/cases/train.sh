# train: layouts, the folder it leaves, streams, gates
t train toys $(quick a)
ls a
sed -E 's/(: )[0-9.e-]+/\1N/g' a/metrics.jsonl
cat a/run.json | sed "s|$(realpath toys)|TOYS|"
t train toys/train $(quick b) -q
cut -d, -f2,3 b/split.csv | sort | uniq -c
(cd toys/train && find -name '*.jpg' | sort | sed 's|^./\([^/]*\)/.*|train/&,\1|; s|/\./|/|') >list
(echo file_name,label; sed 's|^|toys/|' list) >set.csv
json thimble train set.csv $(quick c) --json | sed -E 's/[0-9]+\.[0-9]+/N/g'
t train toys $(quick d) -v 2>&1 | grep -c 'lr 0.001, .* img/s'
t train toys $(quick e) -q --min-accuracy 1
t train toys $(quick e) -q --min-accuracy 0 --force
t train toys $(quick f) -q --method scratch --init-from a/model.thimble
t train toys $(quick g) -q --time-limit 1
t train toys -o h -e 1 -q --img-size 32 --opt sgd --momentum 0.9 --schedule constant --rotation-range 10 --shear-range 5 \
    --zoom-range 0.1 --horizontal-flip --fill-mode reflect --val-split 0.3 --patience 2 --weight-decay 1e-4
t train toys $(quick i) -q --interpolation lanczos --fit pad --class-weight balanced --device ref -j 1
for j in 1 2; do thimble train toys $(quick j$j) -q -j $j >/dev/null; done
cmp j1/model.thimble j2/model.thimble && echo same
