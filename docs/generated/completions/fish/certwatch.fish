# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_certwatch_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= store= vantage= roots= local-roots= h/help V/version
end

function __fish_certwatch_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_certwatch_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_certwatch_using_subcommand
    set -l cmd (__fish_certwatch_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c certwatch -n "__fish_certwatch_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c certwatch -n "__fish_certwatch_needs_command" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_needs_command" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_needs_command" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_needs_command" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_needs_command" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_needs_command" -s V -l version -d 'Print version'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "check" -d 'Look at targets once, without a memory'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "scan" -d 'Look at all targets and print only what is news; for cron'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "watch" -d 'Go on looking; a daemon with metrics'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "events" -d 'List what was found'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "show" -d 'Show what is remembered of a target, or list the targets'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "diff" -d 'Show two chains of a target side by side, the changed link marked'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "expiring" -d 'List certificates that end soon, soonest first'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "compare" -d 'Name the keys that only one vantage point sees'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "report" -d 'Write a report as one self-contained page'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "accept" -d 'Accept a change: it is right'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "reject" -d 'Reject a change: its keys are reported wherever they appear again'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "pin" -d 'Report any deviation from what a target has now'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "ignore" -d 'Silence a target or a finding code'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "authorize" -d 'Declare keys as your own, so that they never alarm'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "replay" -d 'Judge chains from files, offline and without a memory'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "import" -d 'Take in a list or another memory'
complete -c certwatch -n "__fish_certwatch_needs_command" -f -a "export" -d 'Write the observations of this vantage to a file for another store'
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l format -d 'How to print: text, json, or nagios (one line, performance data, exit codes 0 to 3)' -r -f -a "text\t''
json\t''
nagios\t''"
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -s f -l file -d 'The file that lists the targets' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l concurrency -d 'How many probes may be in flight' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l min-severity -d 'Print events of this severity and above: info, notice, warning, critical' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l due-only -d 'Look only at targets whose turn it is, for frequent runs from cron'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l fast -d 'Hang up by resetting the connection, without a goodbye'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l json -d 'Print events as JSON, one object a line'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -s f -l file -d 'The file that lists the targets' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l listen -d 'Serve /metrics and /probe?target= here; for listed targets only' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l every -d 'Time between two looks at one target' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l min-severity -d 'Notify about events of this severity and above' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l since -d 'Only events since then: a date, an RFC 3339 time, or a span ago such as 7d' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l severity -d 'Only events of this severity and above' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l open -d 'Only events nobody has decided on'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l json -d 'Print JSON, one object a line'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l history -d 'Also every run, event and decision'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l chain -d 'Also every certificate of the current chain'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l pem -d 'Print the current chain as PEM and nothing else'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l within -d 'How soon: a span (30d) or a share of the lifetime (20%)' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l issuer -d 'Only issuers whose name contains this' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l owner -d 'Only owners whose name contains this' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l csv -d 'Print CSV with a header'
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand expiring" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l vantages -d 'Only these vantage points, separated by commas; default: all in the store' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l json -d 'Print JSON, one object a line'
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l html -d 'The file to write; it is replaced in one step' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -s m -l message -d 'Why; kept with who and when' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -s m -l message -d 'Why; kept with who and when' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand reject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -s m -l message -d 'Why; kept with who and when' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l leaf-key -d 'Pin the key of its certificate'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l issuer-key -d 'Pin the key of its issuer'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l owner -d 'Pin the owner of its CA'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l root -d 'Pin the key of its root'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l none -d 'Remove all pins of the target'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l until -d 'Only until then: a date or an RFC 3339 time' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -s m -l message -d 'Why; kept with who and when' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand ignore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -s m -l message -d 'Why; kept with who and when' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand authorize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l host -d 'The endpoint the chains were observed at: NAME[:PORT]' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l at -d 'When the next file was observed; as often as there are files, or not at all' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l json -d 'Print one JSON object per file'
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l store -d 'Keep the memory here: a file, or postgres://USER@HOST/DATABASE' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l vantage -d 'The name of this vantage point' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l roots -d 'Which roots count as public: mozilla, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l local-roots -d 'Roots only this machine trusts: none, native, or a PEM file' -r
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -s q -l quiet -d 'Print errors only'
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c certwatch -n "__fish_certwatch_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
