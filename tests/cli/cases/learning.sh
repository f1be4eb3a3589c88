# --loss, --opt, --schedule and their parameters; what is refused, and what it says instead
for loss in focal binary_focal:gama=2 binary_focal:gamma=0 huber:delta mse:delta=1 binary_crossentropy:clip=1; do
    t train toys -o x --loss $loss
done
for opt in adamm 'sgd --rho 0.9' 'adagrad --amsgrad' 'adam --nesterov'; do t train toys -o x --opt $opt; done
for schedule in exponental exponential exponential:steps=10 exponential:steps=0,rate=0.9 polynomial:end=1 \
    cosine-decay:steps=10,alpha=2 piecewise:values=1/2 piecewise:boundaries=a/b step:every=5,floor=1 constant:steps=1; do
    t train toys -o x --schedule $schedule
done
t train toys -o x --cooldown 3
t train toys -o x --clip-value 1 --clip-norm 1
t train toys -o x --monitor val_acc
absent x
t train toys $(quick a) -q --loss binary_focal:gamma=2,alpha=0.25,class_balancing --opt nadam --beta1 0.8 --lr 0.01 \
    --schedule exponential:steps=1,rate=0.5,staircase --clip-norm-each 1 --monitor val_auc --patience 3 --min-delta 0.01
grep -o '"learning_rate": [0-9.]*' a/metrics.jsonl
t train toys $(quick b) -q -e 2 --schedule piecewise:boundaries=1/2,values=0.1/0.02/0.01 --opt rmsprop --centered --plateau 2 \
    --plateau-factor 0.5 --cooldown 1 --min-lr 1e-4
grep -o '"learning_rate": [0-9.]*' b/metrics.jsonl
t train --resume -o b --schedule piecewise:boundaries=1/2,values=0.1/0.02/0.03
