
# An initial RAM disk cannot be pivoted away from.
exec $b switch_root $n $b sh -c "$run"
