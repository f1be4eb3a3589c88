# sample: the same bytes for any number of threads, others for another seed
t sample a -n 4 -j 1
t sample b -n 4 -j 4 -q
t sample c -n 4 --seed 1 -q
diff -r a b && echo same
cmp -s a/train/mugs/mug.0.jpg c/train/mugs/mug.0.jpg || echo other
find a -name '*.jpg' | sort
t sample a
t sample a -n 4 -q --force
diff -r a b && echo same
