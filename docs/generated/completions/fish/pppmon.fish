# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pppmon_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= h/help V/version
end

function __fish_pppmon_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pppmon_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pppmon_using_subcommand
    set -l cmd (__fish_pppmon_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pppmon -n "__fish_pppmon_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c pppmon -n "__fish_pppmon_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_needs_command" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_needs_command" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "run" -d 'Supervise the configured bundles until told to end'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "check" -d 'Read the configuration, say what is wrong with it, and exit'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "status" -d 'Show bundles and links'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "up" -d 'Switch a bundle or a link on'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "down" -d 'Switch a bundle or a link off'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "restart" -d 'Replace every pppd of a bundle, or one link\'s'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "resync" -d 'Bring a bundle\'s sequence numbers back to zero'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "routes" -d 'Show the routes through the bundles\' interfaces'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "print-cmd" -d 'Print the pppd command line of a link'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "doctor" -d 'Look for what would keep bundles from working'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "reload" -d 'Read the configuration anew, like SIGHUP'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "release" -d 'End the supervisor and give up the interfaces'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "hold" -d 'Keep descriptors for a supervisor; started by `run`'
complete -c pppmon -n "__fish_pppmon_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand run" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand check" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -l json -d 'Print JSON, one object'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -l watch -d 'Show the table again every second until interrupted'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand status" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand up" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand down" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand restart" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand resync" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand routes" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand print-cmd" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand reload" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand release" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -l socket -d 'Socket to listen on' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -s q -l quiet -d 'Print errors only'
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pppmon -n "__fish_pppmon_using_subcommand hold" -s V -l version -d 'Print version'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "run" -d 'Supervise the configured bundles until told to end'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "check" -d 'Read the configuration, say what is wrong with it, and exit'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "status" -d 'Show bundles and links'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "up" -d 'Switch a bundle or a link on'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "down" -d 'Switch a bundle or a link off'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "restart" -d 'Replace every pppd of a bundle, or one link\'s'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "resync" -d 'Bring a bundle\'s sequence numbers back to zero'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "routes" -d 'Show the routes through the bundles\' interfaces'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "print-cmd" -d 'Print the pppd command line of a link'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "doctor" -d 'Look for what would keep bundles from working'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "reload" -d 'Read the configuration anew, like SIGHUP'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "release" -d 'End the supervisor and give up the interfaces'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "hold" -d 'Keep descriptors for a supervisor; started by `run`'
complete -c pppmon -n "__fish_pppmon_using_subcommand help; and not __fish_seen_subcommand_from run check status up down restart resync routes print-cmd doctor reload release hold help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
