# version and devices
t version | sed 's/ (.*/ (...)/'
t --version | sed 's/ (.*/ (...)/'
thimble version | grep -c 'oneDNN.*libjpeg.*libpng'
t devices | grep -xE 'cpu|ref'
