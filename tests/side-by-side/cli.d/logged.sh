#@ logged-options
q docker run --name zz1 alpine sh -c 'for i in 1 2 3 4 5; do echo l$i; done'
r docker logs -n 2 zz1
r docker logs --tail 0 zz1
r docker logs --tail all zz1
r docker logs --tail x zz1
r docker logs --tail '' zz1
r docker logs --since 1h zz1
r docker logs --since 2100-01-01 zz1
r docker logs --since x zz1
r docker logs --until 1h zz1
r docker logs --until 2000-01-01T00:00:00 zz1
r docker logs --until x zz1
r docker logs -t -n 1 zz1
r docker logs -f zz1
r docker logs -f --until 1h zz1
r docker logs zz-none
r docker logs -f zz-none
#@ logged-follow
q docker run -d --name zz1 alpine sh -c 'echo a; sleep 0.5; echo b; sleep 0.3; echo c >&2'
docker logs -f zz1 2>&1; echo "[$?]"
q docker run -d --name zz2 alpine sh -c 'echo a; sleep 100'; w 'docker logs zz2 | grep a'
timeout 1 docker logs -f zz2; echo "[$?]"
docker logs -f zz2 >f & P=$!; w 'grep a f'; docker stop -t 0 zz2 >/dev/null; wait $P; echo "[$?]"
docker logs -f zz2 >f & P=$!; wait $P; q docker start zz2; docker logs zz2
