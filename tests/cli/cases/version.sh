# version and devices
t version | sed 's/ (.*/ (...)/'
t --version | sed 's/ (.*/ (...)/'
thimble version | grep -c 'oneDNN.*libjpeg.*libpng'
t devices | sed 's/^cpu  faster in bf16$/cpu/' | grep -xE 'cpu|ref'
