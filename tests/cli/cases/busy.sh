# rows 114 and 117 to 119: a second run on the same folder; signals, once and twice
long="--recipe keras2016 --img-size 32 -b 4 -e 100000 -q"
begin train toys -o a $long
until_there a/checkpoint.thimble
t train toys -o a $long --force
t train --resume -o a
kill -INT $pid
finished
for signal in TERM HUP; do
    begin train --resume -o a -q
    sleep 0.3
    until_there a/checkpoint.thimble
    kill -$signal $pid
    finished
done
begin train toys -o b $long
until_there b/checkpoint.thimble
kill -STOP $pid
kill -INT $pid
kill -TERM $pid # both are there when it goes on: it must not take the time to save
kill -CONT $pid
finished >ended
sed 's/143/130/' ended
mkdir -p many/mugs many/teapots # while photos are read nothing is lost: it ends at once
for i in {1..200}; do
    cp -rl toys/train/mugs many/mugs/$i
    cp -rl toys/train/teapots many/teapots/$i
done
begin train many -o d -q
until_there d/.lock
kill -INT $pid
finished
absent d/run.json
begin sample c -n 4000 -q
until_there c/validation/mugs/mug.0.jpg
kill -INT $pid
finished
