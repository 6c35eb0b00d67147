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
#@ logged-details
q docker run --name zz1 -e A=1 -e B=2 -e AB=3 -l a=1 -l b=2 --log-opt env=A,NONE --log-opt labels=a --log-opt tag=t1 alpine echo x
r docker logs --details zz1
q docker run --name zz2 -e A=1 -l com.a=1 --log-opt env-regex='^A' --log-opt labels-regex='^com' alpine echo x
r docker logs --details zz2
r docker logs --details -t zz2 | cut -c31-
q docker run --name zz3 alpine echo x
r docker logs --details zz3
docker inspect -f '{{json .HostConfig.LogConfig}}' zz1 zz3
cat "$(docker inspect -f '{{.LogPath}}' zz1)" 2>/dev/null | sed 's/"time.*//'
#@ logged-drivers
r docker run --name zz1 --log-driver none alpine echo x
r docker logs zz1
r docker run --name zz2 --log-driver local alpine echo x
r docker logs zz2
r docker logs --details zz2
docker inspect -f '{{json .HostConfig.LogConfig}} {{.LogPath}}' zz1 zz2
r docker run --rm --log-driver none --log-opt max-size=1m alpine echo x
r docker run --rm --log-driver local --log-opt max-size=1m --log-opt max-file=2 --log-opt compress=false alpine echo x
r docker run --rm --log-driver local --log-opt tag=x alpine echo x
r docker run --rm --log-driver local --log-opt labels=x alpine echo x
r docker run --rm --log-driver bogus alpine true
r docker run --rm --log-driver syslog --log-opt bogus=1 alpine true
r docker run --rm --log-driver syslog --log-opt syslog-address=bogus alpine true
r docker run --rm --log-driver syslog --log-opt syslog-facility=bogus alpine true
r docker run --rm --log-driver journald --log-opt bogus=1 alpine true
r docker run --rm --log-opt max-size=-1 alpine true
r docker run --rm --log-opt max-size=1x alpine true
r docker run --rm --log-opt max-file=-1 alpine true
r docker run --rm --log-opt max-file=x alpine true
r docker run --rm --log-opt compress=maybe alpine true
r docker run --rm --log-opt max-file=2 alpine echo x
r docker run --rm --log-opt max-size=1m --log-opt max-file=1 --log-opt compress=true alpine true
r docker run --rm --log-opt compress=true alpine true
r docker run --rm --log-opt mode=non-blocking --log-opt max-buffer-size=1m alpine echo x
r docker run --rm --log-opt mode=bogus alpine true
r docker run --rm --log-opt max-buffer-size=1m alpine true
r docker run --rm --log-opt mode=non-blocking --log-opt max-buffer-size=x alpine true
r docker run --rm --log-opt labels-regex='(' alpine true
r docker run --rm --log-opt tag='{{.Bogus}}' alpine true
r docker run --rm --log-opt alpine true
#@ logged-syslog
python3 -c '
import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind("sys.sock"); s.settimeout(10); open("ready","w").close()
for _ in range(3): print(s.recv(4096).decode(errors="replace"))
' >got & w 'test -e ready'
r docker run --name zz1 --log-driver syslog --log-opt syslog-address=unixgram://$PWD/sys.sock --log-opt tag=zztag alpine sh -c 'echo one; echo two >&2; echo three'
wait; sed -E 's/[A-Z][a-z]{2} +[0-9]+ [0-9:]{8} /DATE /; s/\[[0-9]+\]/[PID]/' got | sort
r docker logs zz1
#@ logged-rotation
q docker run --name zz1 --log-opt max-size=5k --log-opt max-file=2 alpine sh -c 'i=0; while [ $i -lt 500 ]; do echo line $i aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done'
docker logs zz1 | tail -1
docker logs zz1 | wc -l
q docker run --name zz2 --log-opt max-size=2k --log-opt max-file=3 --log-opt compress=true alpine sh -c 'i=0; while [ $i -lt 100 ]; do echo line $i aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done'
docker logs zz2 | wc -l; docker logs zz2 | head -1
#@ logged-follow
q docker run -d --name zz1 alpine sh -c 'echo a; sleep 0.5; echo b; sleep 0.3; echo c >&2'
docker logs -f zz1 2>&1; echo "[$?]"
q docker run -d --name zz2 alpine sh -c 'echo a; sleep 100'; w 'docker logs zz2 | grep a'
timeout 1 docker logs -f zz2; echo "[$?]"
docker logs -f zz2 >f & P=$!; w 'grep a f'; docker stop -t 0 zz2 >/dev/null; wait $P; echo "[$?]"
docker logs -f zz2 >f & P=$!; wait $P; q docker start zz2; docker logs zz2
