# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ups_invoices_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= account= profile= n/dry-run json offline resolve= h/help V/version
end

function __fish_ups_invoices_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ups_invoices_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ups_invoices_using_subcommand
    set -l cmd (__fish_ups_invoices_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -s V -l version -d 'Print version'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "login" -d 'Sign in and keep the session'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "session" -d 'Import, show or clear the kept session'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "list" -d 'List invoices of the ledger'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "fetch" -d 'Download what the ledger does not have'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "ingest" -d 'Take in files: CSV, XML, PDF, or ZIP archives of them'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "check" -d 'Prove invoices: sums, headers, formats against each other; exit 14 if one fails'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "show" -d 'Show an invoice: amounts, documents, verdicts, charges by class'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "track" -d 'What a tracking number was billed; exit 1 if something was found to look at'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "export" -d 'Write invoices for accounting or other programs'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "report" -d 'Sums by service, zone, account, month or charge class'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "alerts" -d 'What needs a person; exit 1 if something does'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "fsck" -d 'Compare ledger and archive; exit 1 if they differ'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "profile" -d 'Check, show or prove a profile'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "tape" -d 'Record a run, or play one back offline'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "doctor-tls" -d 'Show a server\'s certificates and the verdict on them; sends no request'
complete -c ups-invoices -n "__fish_ups_invoices_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -f -a "import" -d 'Take over a session from a signed-in browser: cookies.txt or HAR'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -f -a "show" -d 'Say what is kept, without any value'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -f -a "clear" -d 'Forget it'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and not __fish_seen_subcommand_from import show clear help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take over a session from a signed-in browser: cookies.txt or HAR'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from help" -f -a "show" -d 'Say what is kept, without any value'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from help" -f -a "clear" -d 'Forget it'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand session; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l since -d 'Invoices dated from this day on' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l until -d 'Invoices dated until this day' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l missing -d 'Only invoices that lack a document; exit 1 if there are any'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l formats -d 'Formats, as csv,xml,pdf' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l since -d 'Invoices dated from this day on, instead of the last 400 days' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l limit -d 'Download at most this many documents' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l all -d 'Download again what is there already'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l exit-new -d 'Exit 1 if an invoice was new'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l watch -d 'Stay and take in what arrives'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand ingest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l files -d 'Billing data files (CSV) to check instead, without the ledger' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l tolerance -d 'Largest difference accepted, as 0.00' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l all -d 'All invoices of the ledger'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l last -d 'The newest invoice'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l unbilled -d 'Tracking numbers of this file, one a line, that no invoice has' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l duplicates -d 'Charges that stand on two invoices'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand track" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l to -d 'The form' -r -f -a "ledger\t'Ledger journal'
hledger\t'hledger journal'
beancount\t'Beancount, with open directives'
csv\t'One charge a line'
jsonl\t'One charge a line, as JSON'
sqlite\t'A database of invoices and charges'
postgres\t'A script with COPY for psql'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -s o -l output -d 'Write here instead of to standard output; required for sqlite' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l since -d 'Invoices dated from this day on' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l until -d 'Invoices dated until this day' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l by -d 'What to sum by' -r -f -a "service\t'Ground, Next Day Air, ...'
zone\t'Zone code'
account\t'Shipper number'
month\t'Month of the invoice'
class\t'FRT, ACC, FSC, ...'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l html -d 'Write one self-contained HTML page with plots' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l from-files -d 'Sum up billing data files (CSV) instead of the ledger' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l ack -d 'Acknowledge this alert' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l notify -d 'Send those not sent before through [alerts] notify'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand alerts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l repair -d 'Repair: remove partial files, take in unknown documents, fetch missing ones again'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand fsck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -f -a "lint" -d 'Check a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -f -a "show" -d 'Print a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -f -a "diff" -d 'Show in which lines a profile differs from the built-in one; exit 1 if it does'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -f -a "test" -d 'Walk through a recording with a profile: the proof of a repair'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and not __fish_seen_subcommand_from lint show diff test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l against -d 'Compare with this one instead: a name, or the path of a TOML file' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l tape -d 'The recording, or the tape of an evidence directory' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "lint" -d 'Check a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Show in which lines a profile differs from the built-in one; exit 1 if it does'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "test" -d 'Walk through a recording with a profile: the proof of a repair'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -f -a "record" -d 'Fetch, and keep what was asked and answered, without secrets'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -f -a "replay" -d 'Fetch from a recording into a directory, offline'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -f -a "redact" -d 'Take further values out of a recording, such as names and account numbers'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and not __fish_seen_subcommand_from record replay redact help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l formats -d 'Formats, as csv,xml,pdf' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l since -d 'Invoices dated from this day on, instead of the last 400 days' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l limit -d 'Download at most this many documents' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l all -d 'Download again what is there already'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l exit-new -d 'Exit 1 if an invoice was new'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l into -d 'Directory for archive and ledger' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l values -d 'File with the values, one a line' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -s o -l output -d 'Where to write the result' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from redact" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from help" -f -a "record" -d 'Fetch, and keep what was asked and answered, without secrets'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from help" -f -a "replay" -d 'Fetch from a recording into a directory, offline'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from help" -f -a "redact" -d 'Take further values out of a recording, such as names and account numbers'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand tape; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l account -d 'Work for this account only' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l profile -d 'Use this profile instead of the account\'s' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l resolve -d 'Connect to another address for a host: HOST:PORT:ADDR' -r
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -s q -l quiet -d 'Print errors only'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -s n -l dry-run -d 'Say what would be stored, and store nothing'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l json -d 'Print JSON, one object or array, instead of text'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -l offline -d 'Refuse to open any connection'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand doctor-tls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "login" -d 'Sign in and keep the session'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "session" -d 'Import, show or clear the kept session'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "list" -d 'List invoices of the ledger'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "fetch" -d 'Download what the ledger does not have'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "ingest" -d 'Take in files: CSV, XML, PDF, or ZIP archives of them'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "check" -d 'Prove invoices: sums, headers, formats against each other; exit 14 if one fails'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "show" -d 'Show an invoice: amounts, documents, verdicts, charges by class'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "track" -d 'What a tracking number was billed; exit 1 if something was found to look at'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "export" -d 'Write invoices for accounting or other programs'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "report" -d 'Sums by service, zone, account, month or charge class'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "alerts" -d 'What needs a person; exit 1 if something does'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "fsck" -d 'Compare ledger and archive; exit 1 if they differ'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "profile" -d 'Check, show or prove a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "tape" -d 'Record a run, or play one back offline'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "doctor-tls" -d 'Show a server\'s certificates and the verdict on them; sends no request'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and not __fish_seen_subcommand_from login session list fetch ingest check show track export report alerts fsck profile tape doctor-tls help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from session" -f -a "import" -d 'Take over a session from a signed-in browser: cookies.txt or HAR'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from session" -f -a "show" -d 'Say what is kept, without any value'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from session" -f -a "clear" -d 'Forget it'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "lint" -d 'Check a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "show" -d 'Print a profile'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "diff" -d 'Show in which lines a profile differs from the built-in one; exit 1 if it does'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "test" -d 'Walk through a recording with a profile: the proof of a repair'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from tape" -f -a "record" -d 'Fetch, and keep what was asked and answered, without secrets'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from tape" -f -a "replay" -d 'Fetch from a recording into a directory, offline'
complete -c ups-invoices -n "__fish_ups_invoices_using_subcommand help; and __fish_seen_subcommand_from tape" -f -a "redact" -d 'Take further values out of a recording, such as names and account numbers'
