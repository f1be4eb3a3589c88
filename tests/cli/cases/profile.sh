# --profile: a trace and a table beside the answer; bench --roofline
numbers() { sed -E 's/[0-9]+(\.[0-9]+)?/N/g; s/ +/ /g; s/, N in bfN//; s/, N from LN//; s/AVX-N|AVXN|xN-N/ISA/'; }
t train toys $(quick a) --profile a.json 2>&1 | grep -E '^(profile:|training step|  (op|conv) |  threads|N? ?[0-9]+ photos loaded|a.json)' | numbers | sed -E 's/(conv conv.*) N N .*/\1 .../' | sort -u
json_check_file() { "$json_check" "$1" && echo "JSON"; }
json_check_file a.json
grep -oE '"cat":"[a-z]+"' a.json | sort -u
thimble info a/model.thimble >/dev/null && grep -c profile a/run.json
t train toys $(quick b) --profile a.json -q
absent b
t train toys $(quick b) --profile no/such/b.json -q
absent b
t train toys $(quick b) --profile toys -q
t train toys/train/mugs $(quick b) --profile c.json -q 2>/dev/null
absent c.json
thimble train toys $(quick b) -q >/dev/null
t train toys $(quick c) --profile a.json -q --force
cmp b/model.thimble c/model.thimble && echo same
t evaluate run/model.thimble toys --profile e.json -q | head -n 1
t predict run/model.thimble toys/validation/mugs/mug.0.jpg --profile p.json -q
t predict run/model.thimble toys/validation/mugs/mug.0.jpg --profile ref.json --device ref 2>&1 | grep -c ' -  plain C loops' | sed 's/[1-9][0-9]*/some/'
for file in e p ref; do json_check_file $file.json; done
t bench
t bench --roofline extra
t bench --roofline --device ref
t bench --roofline --threads 1 | awk '/GFLOP\/s|GB\/s/ {n++; if (!($(NF - 1) > 0 && $NF > 0)) print "odd: " $0} END {print (n >= 3)}'
json thimble bench --roofline --json | sed -E 's/\[[0-9.e+]+, [0-9.e+]+\]/[N, N]/g; s/, "(bf16|bf16_l2|read_l3|copy_l3)": \[N, N\]//g; s/"[xA][^"]*"/ISA/; s/"threads": [0-9]+/"threads": N/'
