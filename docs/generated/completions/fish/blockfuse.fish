# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_blockfuse_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= h/help V/version
end

function __fish_blockfuse_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_blockfuse_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_blockfuse_using_subcommand
    set -l cmd (__fish_blockfuse_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c blockfuse -n "__fish_blockfuse_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c blockfuse -n "__fish_blockfuse_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -s V -l version -d 'Print version'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "mount" -d 'Mount a directory of devices (the default command)'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "list" -d 'Show what would be exported, and why the rest would not'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "map" -d 'Print where a device holds data and where it is surely zero'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "status" -d 'Show what a mount serves: open files, engines, errors'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "refresh" -d 'Look at the source again, renew modification times, forget cached content'
complete -c blockfuse -n "__fish_blockfuse_needs_command" -f -a "umount" -d 'Unmount, and wait until the daemon has ended'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -s o -l options -d 'Mount options as mount(8) and fstab give them, separated by commas' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l engine -d 'How the bytes reach their readers' -r -f -a "auto\t'The kernel engine where it works, else the copy engine'
kernel\t'The kernel engine or an error'
copy\t'The copy engine, without trying anything else'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l threads -d 'Threads that answer requests, 1 to 64 [default: 2]' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l readahead -d 'How far the kernel reads ahead, in KiB [default: 1024]' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l mtime -d 'Which modification time files show: mount, refresh, changed, now, or seconds since 1970' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l state -d 'Where --mtime changed remembers the times it gave' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l holes -d 'Whether to tell programs that ask where a file is surely zero [default: auto]' -r -f -a "auto\t'Where the layers below know them'
off\t'Every file is all data'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l include -d 'Export names that match this glob' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l exclude -d 'Leave out names that match this glob' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l uid -d 'Owner of the files [default: who mounts]' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l gid -d 'Group of the files [default: who mounts]' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l mode -d 'Permission bits of the files, in octal [default: 0400]' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l pidfile -d 'Write the daemon\'s process id here; removed when it ends' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -s f -l foreground -d 'Stay in the foreground'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l watch -d 'Refresh by itself when devices or names come, go or change their size'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l hide-internal -d 'Leave out the devices that LVM makes for itself'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l recursive -d 'Descend into directories'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l include-files -d 'Export regular files too'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l allow-other -d 'Let other users than the mounting one in, as far as owner and mode allow'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l include -d 'Export names that match this glob' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l exclude -d 'Leave out names that match this glob' -r
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l hide-internal -d 'Leave out the devices that LVM makes for itself'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l recursive -d 'Descend into directories'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l include-files -d 'Export regular files too'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l json -d 'Print a JSON array'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l probe -d 'Open each device, to see whether it can be read'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -l format -d 'How to print it [default: text]' -r -f -a "text\t'A table for people'
json\t'One object, for programs'
borg\t'`START LENGTH data|zero|same`, a line each, as `borg create --map` reads it'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -l against -d 'Compare with the state file of a mount with --mtime changed' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand map" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -l json -d 'Print a JSON object'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -l json -d 'Print a JSON object'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -l lazy -d 'Detach at once, also when files are open; they can be read until they are closed'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -s q -l quiet -d 'Print errors only'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c blockfuse -n "__fish_blockfuse_using_subcommand umount" -s h -l help -d 'Print help (see more with \'--help\')'
