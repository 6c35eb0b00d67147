#@ left-create-conflict
q docker create --name zz1 alpine
r docker create --name zz1 alpine
r docker run --name zz1 alpine true
r docker run -d --name zz1 alpine true
r docker create --name /zz1 alpine
r docker create --name 'zz 1' alpine
r docker create --name 'z' alpine
r docker create --name '' alpine true | wc -c
docker ps -a --filter name=zz --format '{{.Names}} {{.Status}}'
#@ left-start-missing-command
r docker run --name zz1 alpine nosuch
r docker run -d --name zz2 alpine nosuch
r docker run -d --name zz3 alpine /etc
q docker create --name zz4 alpine nosuch
r docker start zz4
r docker start -a zz4
r docker start zz4 zz-none
docker ps -a --filter name=zz --format '{{.Names}} {{.Status}}'
docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.State.FinishedAt}}' zz1 zz4 | sed 's/0001-01-01T00:00:00Z/never/g'
docker inspect -f '{{.State.Error}}' zz4 | grep -c nosuch
docker inspect -f '{{.State.Pid}} {{.RestartCount}} {{.State.Running}}' zz4
r docker wait zz4
r docker logs zz4
#@ left-rm-start-missing-command
r docker run --rm --name zz1 alpine nosuch
r docker run -d --rm --name zz2 alpine nosuch
docker ps -a --filter name=zz --format '{{.Names}} {{.Status}}'
#@ left-bad-user
r docker run --name zz1 -u nosuch alpine true
docker ps -a --filter name=zz --format '{{.Names}} {{.Status}}'
#@ left-port-in-use
q docker run -d --name zz1 -p 19310:80 alpine sleep 100
r docker run --name zz2 -p 19310:80 alpine true
r docker run -d --name zz3 -p 127.0.0.1:19310:80 alpine true
q docker create --name zz4 -p 19310:80 alpine true
r docker start zz4
docker ps -a --filter name=zz --format '{{.Names}} {{.State}}' | sort
docker inspect -f '{{.State.ExitCode}} {{.State.Status}}' zz2 zz3 zz4
q docker rm -f zz1; r docker start zz4; docker wait zz4
#@ left-rename
q docker create --name zz1 alpine; q docker create --name zz2 alpine
r docker rename zz1 zz1
r docker rename zz1 zz2
r docker rename zz1 'bad name'
r docker rename zz1 ''
r docker rename zz-none zz3
r docker rename zz1 /zz3; docker ps -a --filter name=zz --format '{{.Names}}' | sort
r docker rename zz3 zz4; r docker inspect -f '{{.Name}}' zz4
r docker inspect zz3
#@ left-update
q docker run -d --name zz1 alpine sleep 100
r docker update zz1
r docker update --memory 64m zz1
r docker update --memory 64m --memory-swap 128m zz1
docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' zz1; docker exec zz1 cat /sys/fs/cgroup/memory/memory.limit_in_bytes
r docker update --memory 256m zz1
r docker update --memory 1m zz1
r docker update --cpus 0.5 zz1; docker inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}}' zz1
r docker update --cpu-period 50000 zz1
r docker update --cpus 99 zz1
r docker update --pids-limit 77 zz1; docker exec zz1 cat /sys/fs/cgroup/pids/pids.max
r docker update --pids-limit -1 zz1; docker exec zz1 cat /sys/fs/cgroup/pids/pids.max
r docker update --cpu-shares 100 --cpuset-cpus 0 zz1; docker inspect -f '{{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}}' zz1
r docker update --cpuset-cpus 99 zz1
r docker update --restart on-failure:3 zz1; docker inspect -f '{{json .HostConfig.RestartPolicy}}' zz1
r docker update --restart bogus zz1
r docker update --restart '' zz1
r docker update --memory 64m zz-none
r docker update --cpu-shares 5 zz-none zz1
r docker update --kernel-memory 50m zz1
q docker create --name zz2 --rm alpine true; r docker update --restart always zz2
q docker create --name zz3 alpine; r docker update --memory 64m zz3; docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' zz3
#@ left-states
q docker create --name zz1 alpine sleep 100
r docker stop zz1
r docker kill zz1
r docker pause zz1
r docker unpause zz1
r docker attach zz1
r docker top zz1
r docker port zz1
r docker restart -t 0 zz1
r docker start zz1
r docker pause zz1
r docker pause zz1
r docker attach zz1
r docker start zz1
r docker restart -t 0 zz1
r docker unpause zz1
r docker kill -s BOGUS zz1
r docker kill -s 0 zz1
r docker kill -s USR1 zz1; docker inspect -f '{{.State.Running}}' zz1
r docker kill -s SIGKILL zz1; docker wait zz1
r docker stop zz1
r docker stop -t 0 zz-none zz1
r docker stop -t x zz1
r docker stop -s BOGUS zz1
q docker start zz1; r docker stop -s BOGUS zz1; r docker stop -s KILL zz1
docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Dead}} {{.State.Restarting}}' zz1
r docker rm zz1 zz-none
r docker rm -f zz-none
#@ left-wait
q docker run -d --name zz1 alpine sh -c 'sleep 0.3; exit 4'
r docker wait zz1 zz1
r docker wait zz1 zz-none
q docker create --name zz2 alpine true; (w 'docker start zz2') & r docker wait zz1; wait
q docker run -d --name zz3 alpine sleep 100; (sleep 0.5; docker rm -f zz3 >/dev/null) & r docker wait zz3; wait
#@ left-start-attached
q docker create --name zz1 alpine sh -c 'echo out; echo err >&2; exit 6'
r docker start -a zz1
r docker start zz1
docker wait zz1
r docker start -a zz1 zz1
r docker start -a zz-none
q docker create -i --name zz2 alpine cat; echo hello | r docker start -ai zz2
q docker create -i --name zz3 alpine cat; echo hello | r docker start -i zz3
q docker create --rm --name zz4 alpine true; r docker start -a zz4; w '! docker inspect zz4'; docker ps -aq --filter name=zz4
q docker run -d --name zz5 alpine sleep 1; r docker start -a zz5
#@ left-cidfile
r docker run --rm --cidfile a/b alpine true
r docker create --cidfile c --name zz1 alpine | cmp - c
touch d; r docker create --cidfile d --name zz2 alpine
r docker run --cidfile e --name zz3 alpine nosuch; test -s e && echo kept
r docker run --cidfile f --name zz1 alpine true; ls
#@ left-entrypoint
q docker create --name zz1 --entrypoint /bin/sh alpine -c 'echo x'; docker inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' zz1
q docker create --name zz2 --entrypoint "" alpine echo; docker inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' zz2
r docker create --name zz3 --entrypoint "" alpine
q docker create --name zz4 --entrypoint "a b" alpine; r docker start zz4
r docker run --rm --entrypoint nosuch alpine x
#@ left-top
q docker run -d --name zz1 alpine sleep 100
docker top zz1 | head -1
docker top zz1 -o pid,cmd | tail -1 | awk '{print $2,$3}'
r docker top zz1 -o bogus
r docker top zz1 aux | head -1
r docker top zz-none
#@ left-stats
q docker run -d --name zz1 alpine sleep 100
docker stats --no-stream --format '{{.Name}} {{.PIDs}}' zz1
r docker stats --no-stream --format '{{.Nosuch}}' zz1
r docker stats --no-stream zz-none
docker stats --no-stream --format json zz1 | grep -o '"[A-Za-z]*":' | sort | tr '\n' ' '
docker stats --no-stream zz1 | head -1 | tr -s ' '
q docker create --name zz2 alpine; docker stats --no-stream -a --format '{{.Name}} {{.MemUsage}} {{.CPUPerc}} {{.NetIO}} {{.PIDs}}' zz2
