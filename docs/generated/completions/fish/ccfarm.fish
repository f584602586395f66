# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ccfarm_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= h/help V/version
end

function __fish_ccfarm_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ccfarm_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ccfarm_using_subcommand
    set -l cmd (__fish_ccfarm_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ccfarm -n "__fish_ccfarm_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c ccfarm -n "__fish_ccfarm_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -s V -l version -d 'Print version'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "init" -d 'Write a commented farm file'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "doctor" -d 'Prove by compiling that every node fits the device'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "probe" -d 'Examine one node, with or without a farm file'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "reference" -d 'Record what the device\'s own compiler produces'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "plan" -d 'Show what apply would change'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "render" -d 'Write every file of the farm into a directory'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "apply" -d 'Write the device kit, or one node\'s files, below a root directory'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "toolroot" -d 'Make the root directory of a sandboxed node'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "bench" -d 'Measure every node, suggest slots and make\'s -j'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "status" -d 'Show what every node is doing'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "env" -d 'Print the environment of a build, for a shell to evaluate'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "run" -d 'Run one command in the environment of a build'
complete -c ccfarm -n "__fish_ccfarm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l reference -d 'Compare with this record of the device\'s own compiler, made by `ccfarm reference`' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l strict -d 'Call another distribution revision of the same gcc version a wrong version'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l json -d 'Print one JSON document on standard output'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l cc -d 'A compiler name to send; may be repeated' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l farm -d 'Farm file whose target and cflags are used' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l reference -d 'Compare with this record of the device\'s own compiler, made by `ccfarm reference`' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l strict -d 'Call another distribution revision of the same gcc version a wrong version'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l json -d 'Print one JSON document on standard output'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l via -d 'Command that runs a shell on the device, `sh -s` is appended: "ssh dev"' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l cc -d 'The device\'s compiler' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -s o -l output -d 'File to write; an existing one is replaced' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand reference" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l reference -d 'The record of the device\'s compiler; its digest becomes part of the cache\'s namespace' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l node -d 'The files of this node instead of the device kit' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l root -d 'Root directory of the machine, such as a mounted card' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -l reference -d 'The record of the device\'s compiler; its digest becomes part of the cache\'s namespace' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -s o -l output -d 'Directory to write into; made if it is missing' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l reference -d 'The record of the device\'s compiler; its digest becomes part of the cache\'s namespace' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l node -d 'The files of this node instead of the device kit' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l root -d 'Root directory of the machine, such as a mounted card' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l undo -d 'Restore what was there before'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l dry-run -d 'Show what would be done and change nothing'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -f -a "build" -d 'Collect distccd, one compiler and what they load into a tar archive'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and not __fish_seen_subcommand_from build help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -l cc -d 'The cross compiler: a name in PATH or a path' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -s o -l output -d 'Archive to write; an existing one is replaced' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -l cxx -d 'Take the C++ compiler too'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from help" -f -a "build" -d 'Collect distccd, one compiler and what they load into a tar archive'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand toolroot; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l jobs -d 'Numbers of jobs at a time to measure' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l device-time -d 'The device\'s own work per job: make, distcc and the preprocessor' -r
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l write -d 'Write the suggested slots into the farm file'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l json -d 'Print one JSON document on standard output'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l prometheus -d 'Write Prometheus\' text format instead: to a file for the textfile collector, or - for standard output' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l watch -d 'Show it again every two seconds until interrupted'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l json -d 'Print one JSON document on standard output'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -l shell -d 'Syntax to print' -r -f -a "sh\t'sh, dash, bash, zsh'
fish\t'fish'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand env" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -l farm -d 'The farm file' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -s q -l quiet -d 'Print errors only'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "init" -d 'Write a commented farm file'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "doctor" -d 'Prove by compiling that every node fits the device'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "probe" -d 'Examine one node, with or without a farm file'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "reference" -d 'Record what the device\'s own compiler produces'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "plan" -d 'Show what apply would change'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "render" -d 'Write every file of the farm into a directory'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "apply" -d 'Write the device kit, or one node\'s files, below a root directory'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "toolroot" -d 'Make the root directory of a sandboxed node'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "bench" -d 'Measure every node, suggest slots and make\'s -j'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "status" -d 'Show what every node is doing'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "env" -d 'Print the environment of a build, for a shell to evaluate'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "run" -d 'Run one command in the environment of a build'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and not __fish_seen_subcommand_from init doctor probe reference plan render apply toolroot bench status env run help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ccfarm -n "__fish_ccfarm_using_subcommand help; and __fish_seen_subcommand_from toolroot" -f -a "build" -d 'Collect distccd, one compiler and what they load into a tar archive'
