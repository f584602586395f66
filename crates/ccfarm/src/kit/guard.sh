#!/bin/sh
# Made by ccfarm. Stands between ccache and distcc: runs the compiler through distcc and refuses
# an object for another machine, so that ccache cannot keep it. Exit status 121: refused.
distcc "$@" || exit $?

out= compile= last= source=
for word do
    case $last in -o) out=$word last=; continue ;; esac
    case $word in
        # Text or nothing comes out of these.
        -S | -E | -M | -MM | -fsyntax-only) exit 0 ;;
        -o?*) out=${word#-o} ;;
        -c) compile=yes ;;
        *.c | *.i | *.cc | *.ii | *.cp | *.cpp | *.cxx | *.c++ | *.C | *.CPP | *.s | *.S | *.sx | *.m | *.mm)
            source=$word ;;
    esac
    last=$word
done
# Without -o the object takes its name from the source.
if [ -z "$out" ] && [ -n "$compile" ]; then
    out=${source##*/}
    out=${out%.*}.o
fi
# No output, a device, or a precompiled header: nothing to look at.
case $out in '' | *.gch | *.pch) exit 0 ;; esac
[ -f "$out" ] || exit 0

head=$(od -An -tx1 -N20 < "$out" | tr -d ' \n')
case $head in @PATTERN@) exit 0 ;; esac
rm -f -- "$out"
echo "ccfarm guard: $out is not an @WANTED@ object: a node builds for another machine" >&2
echo "ccfarm guard: run \`ccfarm doctor\` to see which" >&2
exit 121
