# bash completion for gantry-oci: commands, their options as their help tells them, ids of containers
_gantry_oci() {
    local word=${COMP_WORDS[COMP_CWORD]} command= root= at
    local commands="create run start state kill delete exec ps pause resume update events list spec features checkpoint restore"
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        --root) root=${COMP_WORDS[at + 1]} ;;
        --root=*) root=${COMP_WORDS[at]#--root=} ;;
        esac
        [[ " $commands " != *" ${COMP_WORDS[at]} "* ]] || command=${command:-${COMP_WORDS[at]}}
    done
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(gantry-oci $command --help 2>/dev/null | grep -oE -- '--[a-z0-9-]+')" -- "$word") ;;
    *)
        if [ -z "$command" ]; then
            mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(gantry-oci ${root:+--root "$root"} list -q 2>/dev/null)" -- "$word")
        fi
        ;;
    esac
}
complete -o default -F _gantry_oci gantry-oci
