# help, by every road to it, and no line wider than 100 columns
t
t trian
t help
t --help | head -n 3
t help predict
t predict --help | head -n 2
t predict -h | head -n 2
t help nope
t help evalute
t help exit-codes
for command in train evaluate predict preview features crossval info export sample bench devices completion help version; do
    echo "$command: $(thimble help $command | head -n 1)"
    thimble help $command | awk 'length > 100 {print "too wide: " $0}'
    thimble $command --help | cmp - <(thimble help $command)
done
thimble help man | grep -c '^\.TP'
thimble help man | head -n 3
