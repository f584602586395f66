# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sparseimg_global_optspecs
    string join \n v/verbose q/quiet config= show-config color= generate= j/jobs= json h/help V/version
end

function __fish_sparseimg_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sparseimg_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sparseimg_using_subcommand
    set -l cmd (__fish_sparseimg_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sparseimg -n "__fish_sparseimg_needs_command" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_needs_command" -l generate -d 'Print the manual page, the configuration\'s manual page or a shell\'s completions, and exit' -r -f -a "man\t'The tool\'s manual page, section 8'
man-config\t'The manual page of its configuration file, section 5'
bash\t'Completions for bash'
zsh\t'Completions for zsh'
fish\t'Completions for fish'"
complete -c sparseimg -n "__fish_sparseimg_needs_command" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_needs_command" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -s V -l version -d 'Print version'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "copy" -d 'Copy a file, device or stream, leaving zeros out'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "dig" -d 'Punch holes into files in place'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "map" -d 'Show where the data of a file lies'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "estimate" -d 'Estimate what a sparse copy, a signature and a delta would need'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "verify" -d 'Compare two files or devices, or a file with a block map'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "sig" -d 'Compute an rdiff signature'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "delta" -d 'Compute an rdiff delta against a signature or against the old file'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "patch" -d 'Apply an rdiff delta'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "restore" -d 'Restore one file of an rdiff-backup repository at any recorded time'
complete -c sparseimg -n "__fish_sparseimg_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l hole-size -d 'Leave zeros out in blocks of this size, a power of two [default: 4K]' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l direct -d 'Read and write past the page cache [default: auto]' -r -f -a "auto\t'When the input is larger than a quarter of the memory, or mostly not in the page cache'
yes\t'Always, where the file system allows it'
no\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l reflink -d 'Share the source\'s blocks instead of copying them [default: never]' -r -f -a "never\t'No: a shared block is also shared damage'
auto\t'Where the file system can; holes are dug afterwards'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l target-zero -d 'How zeros get onto a block device' -r -f -a "zeroout\t'Ask the device to write zeros, freeing space where it can; write them where it cannot'
discard\t'Discard, read back, and write zeros where something else came back'
assume-zeroed\t'The device is known to be all zeros: skip them'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l preserve-holes -d 'Keep allocated zeros allocated'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l verify -d 'Compare source and target afterwards; exit 1 if they differ'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l require-stable -d 'Fail, and leave no target, if the source changes while it is read'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l keep-going -d 'Put zeros in place of what cannot be read'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l assume-zeroed -d 'The same as --target-zero assume-zeroed'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l force-device -d 'Write to a device that is in use'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l hole-size -d 'Punch holes in blocks of this size, a power of two [default: 4K]' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -s n -l dry-run -d 'Only say what would be freed'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l preserve -d 'Put the times of last access and modification back afterwards'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l force -d 'Dig even if another process has the file open'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand dig" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l svg -d 'Write a picture to this file, - for standard output' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l bmap -d 'Write a block map (bmap 2.0, with checksums) to this file, - for standard output' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l hole-size -d 'Look for zeros in blocks of this size, a power of two [default: 4K]' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l no-read -d 'Ask the file system only; do not look for zeros in the data'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand map" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -l basis -d 'An older state of it, to estimate deltas as well' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand estimate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l bmap -d 'Compare A with the checksums of a block map instead' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l all -d 'List every differing range'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s b -l block-size -d 'Bytes per block, `auto` or `sqrt` [default: auto]' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s H -l hash -d 'The strong sum' -r -f -a "blake2\t'BLAKE2b, rdiff\'s default'
md4\t'MD4, for old readers'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s R -l rollsum -d 'The weak sum' -r -f -a "rabinkarp\t'Rabin-Karp, rdiff\'s default'
rollsum\t'The sum of rsync, for old readers'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s S -l sum-size -d 'Bytes kept of each strong sum: a number, `min` or `max`' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand sig" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l basis -d 'Compare with this old file directly instead of with a signature' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -s b -l block-size -d 'With --basis: compare in steps of this many bytes, a power of two' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l no-roll -d 'Do not search for data that has moved'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand delta" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l max-output -l max-size -d 'Refuse a delta whose output is longer than this' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l tmp-dir -d 'Directory for output that goes to a pipe and is collected first [default: /var/tmp]' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l target-zero -d 'How zeros get onto a block device' -r -f -a "zeroout\t'Ask the device to write zeros, freeing space where it can; write them where it cannot'
discard\t'Discard, read back, and write zeros where something else came back'
assume-zeroed\t'The device is known to be all zeros: skip them'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l assume-zeroed -d 'The same as --target-zero assume-zeroed'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l force-device -d 'Write to a device that is in use'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand patch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l at -d 'The state at this time [default: now]' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l tmp-dir -d 'Directory for intermediate files, when they are needed [default: /var/tmp]' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l target-zero -d 'How zeros get onto a block device' -r -f -a "zeroout\t'Ask the device to write zeros, freeing space where it can; write them where it cannot'
discard\t'Discard, read back, and write zeros where something else came back'
assume-zeroed\t'The device is known to be all zeros: skip them'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l config -d 'Read this configuration file instead of the one in /etc/nightshift' -r -F
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -s j -l jobs -d 'Threads to work on' -r
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l list -d 'List the times at which the file is available, and its size then'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l no-verify -d 'Do not compare the result with the recorded checksum'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l assume-zeroed -d 'The same as --target-zero assume-zeroed'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l force-device -d 'Write to a device that is in use'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -s v -l verbose -d 'Say more: -v state changes, -vv decisions, -vvv every call'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -s q -l quiet -d 'Print errors only'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l show-config -d 'Print each effective setting with where it came from, and exit'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -l json -d 'Print the result as JSON'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "copy" -d 'Copy a file, device or stream, leaving zeros out'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "dig" -d 'Punch holes into files in place'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "map" -d 'Show where the data of a file lies'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "estimate" -d 'Estimate what a sparse copy, a signature and a delta would need'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "verify" -d 'Compare two files or devices, or a file with a block map'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "sig" -d 'Compute an rdiff signature'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "delta" -d 'Compute an rdiff delta against a signature or against the old file'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "patch" -d 'Apply an rdiff delta'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "restore" -d 'Restore one file of an rdiff-backup repository at any recorded time'
complete -c sparseimg -n "__fish_sparseimg_using_subcommand help; and not __fish_seen_subcommand_from copy dig map estimate verify sig delta patch restore help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
