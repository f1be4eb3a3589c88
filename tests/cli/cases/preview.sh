# preview writes one picture, and not over another
t preview toys -o grid.png --rows 2 --variants 3 --img-size 32
t preview toys -o grid.png
t preview toys -o grid.png --force --rows 2 --variants 3 --img-size 32 --recipe keras2016 -q
thimble preview toys -o one.png --rows 2 --variants 3 --img-size 32 --recipe keras2016 -q
cmp grid.png one.png
t preview toys -o grid.xyz
t preview nowhere -o other.png
