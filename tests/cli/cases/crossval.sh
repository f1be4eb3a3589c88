# crossval: heads on features, nets; the same folds for the same seed; what is refused
small="--backbone mobilenet_v2 --weights random --img-size 32 --head ridge --penalty 1"
t crossval toys -o a $small -k 4 --repeats 2 2>&1 | sed -E 's/[01]\.[0-9]{4}$/A/'
ls a
cut -d, -f1,2 a/predictions.csv | head -n 3
json thimble crossval toys -o b $small -k 4 --repeats 2 --json -q | sed -E 's/(: |, |\[)[01](\.[0-9e-]+)?/\1N/g'
cmp a/predictions.csv b/predictions.csv && echo same
t crossval toys -o c $small -k 4 --repeats 2 --seed 1 -q | sed -E 's/[01]\.[0-9]{4}$/A/'
t crossval toys -o d --method scratch --recipe keras2016 -k 2 -e 1 --img-size 32 -b 8 2>&1 | sed -E 's/[01]\.[0-9]{4}$/A/'
ls d
for k in 1 2; do cut -d, -f2,3 d/fold-1-$k.csv | sort | uniq -c; done
# photos that look the same stay in one fold, whatever their size
cp -rL toys twins && for i in 0 1; do cp twins/train/mugs/mug.$i.jpg twins/train/mugs/twin.$i.jpg; done
thimble crossval twins -o e --method scratch --recipe keras2016 -k 5 -e 1 --img-size 32 -b 8 -q >/dev/null
for k in 1 2 3 4 5; do grep -E '(mug|twin)\.0\.jpg' e/fold-1-$k.csv | grep train/mugs | cut -d, -f3 | uniq | wc -l; done | sort -u
t crossval toys -o a $small -q
t crossval toys -o x $small -k 1
t crossval toys -o x $small -k 21
t crossval toys -o x $small --patience 2
t crossval toys -o x $small --method finetune
t crossval toys -o x $small --head post
t crossval toys $small
t crossval -o x
absent x
