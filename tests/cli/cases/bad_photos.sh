# rows 23 to 26, 33, 50 and 51 in training; --bad-images, --bad-limit
cp -rL toys/train data
: >data/mugs/mug.0.jpg
echo '<html>' >data/mugs/mug.1.jpg
head -c 3000 toys/train/mugs/mug.2.jpg >data/mugs/mug.2.jpg
t train data -o x
json cat x/report.json
head -c -2 toys/train/teapots/teapot.0.jpg >data/teapots/teapot.0.jpg # without its end marker
t train data $(quick x) --bad-limit 0.5
json cat x/report.json
t train data -o y --decode-timeout 0
t train data -o y --bad-images fail
t train data -o y --bad-limit 0
for file in data/mugs/*; do echo "version https://git-lfs $file" >"$file"; done
mkdir whole && mv data whole/train && cp -r toys/validation whole
t train whole -o y --bad-limit 1
t evaluate run/model.thimble whole/train
grep -c 'mug.*text file' y/report.json
absent y/run.json
