# rows 18 and 20: the same photo on both sides, classes that differ in case only
cp -rL toys leak && cp leak/train/mugs/mug.1.jpg leak/validation/mugs/
t train leak $(quick a)
mkdir -p case && cp -r leak/train/mugs case/mugs && cp -r leak/train/teapots case/Mugs
t train case $(quick b) --seed 1
