# rows 5 to 10, 13 to 19 and 21: folders that cannot be used, and what is left out of those that can
t train nowhere -o x
t train "$(printf 'x%.0s' {1..300})" -o x
t train toys/train/mugs/mug.0.jpg -o x
t train toys/train/mugs -o x
mkdir -p one && cp -r toys/train/mugs one
t train one -o x
mkdir -p empty/mugs empty/none && cp toys/train/mugs/* empty/mugs
t train empty -o x
cp -rL toys extra && cp -r extra/validation/mugs extra/validation/zebras
t train extra -o x
absent x

cp -rL toys/train junk && cd junk
mkdir .git __MACOSX .ipynb_checkpoints && cp mugs/mug.1.jpg __MACOSX
touch mugs/.DS_Store mugs/Thumbs.db mugs/._x.jpg
ln -s .. mugs/loop
ln -s nowhere mugs/dead.jpg
mkfifo mugs/pipe.jpg
cd ..
t train junk $(quick x) --batch-size 32
t train junk $(quick x) --batch-size 32 -q --force

for out in toys toys/run toys/train/run toys/../toys/deep/run; do t train toys -o $out; done
ln -s toys link && t train toys -o link/run
cd toys/train && t train . -o run
