# completion: what bash offers once the script is sourced; zsh and fish where they are installed
source <(thimble completion bash)
offer() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _thimble
    echo "$* -> ${COMPREPLY[*]}"
}
touch photo.jpg my-photo.jpg
offer thimble pre
offer thimble train --fil
offer thimble train --fill-mode re
offer thimble train --recipe ''
offer thimble predict photo
offer thimble info --
offer thimble completion ''
offer thimble help eva
offer thimble help --
offer thimble predict my-
complete -p thimble
for shell in zsh fish; do
    thimble completion $shell >script
    ! command -v $shell >/dev/null || $shell -n script
    grep -c -e fill-mode script
done
t completion csh
t completion
