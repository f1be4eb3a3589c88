# rows 57 and 58: every file is answered, in order
mkdir b
cp toys/train/mugs/mug.0.jpg b/ok.jpg
head -c 3000 b/ok.jpg >b/cut.jpg
: >b/empty.jpg
echo '<html>' >b/html.jpg
mkfifo b/pipe.jpg
t predict run/model.thimble b/cut.jpg
t predict run/model.thimble b/cut.jpg --keep-going
t predict run/model.thimble nofile.jpg
t predict run/model.thimble b/pipe.jpg
t predict run/model.thimble b
t predict run/model.thimble b --keep-going
json thimble predict run/model.thimble b --json
t predict run/model.thimble b --csv
json thimble predict run/model.thimble b/cut.jpg b/html.jpg --json
head -c -2 b/ok.jpg >no-end.jpg
thimble preview toys -o x.png --rows 1 --variants 1 -q && mv x.png png.jpg
t predict run/model.thimble no-end.jpg png.jpg
echo no picture | t predict run/model.thimble -
