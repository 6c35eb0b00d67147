#@ run-status
r docker run --rm alpine sh -c 'echo out; echo err >&2; exit 7'
r docker run --rm alpine nosuchcommand
r docker run --rm alpine /etc
