#@ volume-create
r docker volume create zzv; r docker volume create zzv; r docker volume create --name zzw; r docker volume create --name zza zzb
r docker volume create -d nosuch zzx; r docker volume create 'bad name'; r docker volume create -o bogus=1 zzx; r docker volume create -o type=tmpfs zzx
r docker volume create -d local --label a=1 --label b zzl; docker volume inspect -f '{{json .Labels}} {{json .Options}} {{.Scope}} {{.Driver}}' zzl
r docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m zzt; docker volume inspect -f '{{json .Options}}' zzt
V=$(docker volume create); echo ${#V}; docker volume inspect -f '{{json .Labels}}' $V; docker volume rm $V >/dev/null
r docker volume create --label a=1 zzv; r docker volume create a b; r docker volume create -o o=x zzy; true
#@ volume-tmpfs
q docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000 zzt
r docker run --rm -v zzt:/t alpine sh -c 'grep " /t " /proc/mounts | cut -d" " -f3 ; stat -c %u /t; df -k /t | tail -1 | awk "{print \$2}"; echo x >/t/x'
r docker run --rm -v zzt:/t alpine ls /t
#@ volume-bind
mkdir d; echo x >d/x; q docker volume create -o type=none -o o=bind -o device=$PWD/d zzb; r docker run --rm -v zzb:/t alpine cat /t/x
r docker run --rm -v zzb:/t alpine sh -c 'echo y >/t/y'; cat d/y
r docker volume rm zzb; ls d
#@ volume-rm
q docker volume create zzv; q docker create --name zz1 -v zzv:/v alpine; r docker volume rm zzv; r docker volume rm -f zzv; q docker rm zz1; r docker volume rm zzv; r docker volume rm zzv; r docker volume rm -f zzv; r docker volume rm
q docker volume create zzv; q docker volume create zzw; r docker volume rm zzv nosuchzz zzw
#@ volume-ls
q docker volume create --label a=1 zzv; q docker volume create zzw; q docker create --name zz1 -v zzw:/w alpine
for f in name=zz name=^zzv$ label=a label=a=1 label=a=2 driver=local driver=x dangling=true dangling=false dangling=x bogus=1 bogus; do echo "F $f"; docker volume ls -q --filter name=zz --filter "$f" | sort; echo rc=${PIPESTATUS[0]}; done
docker volume ls | head -1; docker volume ls --format 'table {{.Name}}\t{{.Mountpoint}}' | head -1 | tr -s ' '; r docker volume ls x
#@ volume-inspect
q docker volume create zzv; r docker volume inspect -f '{{.Name}} {{.Scope}}' zzv nosuchzz; r docker volume inspect nosuchzz; r docker volume inspect; docker volume inspect zzv | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; print(list(d), d["Labels"], d["Options"])'
r docker volume inspect -f '{{.UsageData}} {{.Status}} {{.Labels}} {{.Options}}' zzv
#@ volume-prune
q docker volume create zzv; q docker run --name zz1 -v /anon alpine true; q docker rm zz1
r docker volume prune -f --filter label=nosuchzz; r docker volume prune -f --filter bogus=1; r docker volume prune -f --filter x; docker volume ls -q --filter name=zzv; r docker volume prune --filter label=nosuchzz </dev/null
#@ network-create
for a in '' '--subnet 10.213.1.0/24' '--subnet 10.213.1.0/24 --gateway 10.213.1.9' '--subnet 10.213.1.0/24 --gateway 10.214.1.9' '--subnet 10.213.1.0/24 --ip-range 10.213.1.128/25' '--subnet 10.213.1.0/24 --ip-range 10.214.1.128/25' '--subnet bogus' '--gateway 10.213.1.1' '--subnet 10.213.1.1/24' '--aux-address x=10.213.1.7 --subnet 10.213.1.0/24' '-d nosuch' '-d host' '-d null' '--internal' '--attachable' '--ipv6 --subnet fd00:213::/64' '--ipv6' '--label a=1' '--opt com.docker.network.bridge.enable_icc=false' '--opt com.docker.network.driver.mtu=1400' '--opt com.docker.network.driver.mtu=x' '--ipam-driver null' '--ipam-driver bogus' '--ipam-opt x=y' '--ipv4=false' '--scope local' '--scope swarm' '--ingress' '--config-only' '--config-from nosuchzz' '--subnet 10.213.1.0/24 --subnet 10.213.2.0/24' '--subnet 10.213.1.0/24 --subnet 10.213.1.0/25'; do docker network create $a zzn >out 2>err; echo "[$a] rc=$? $(wc -c <out) $([ -s err ] && echo said)"; docker network inspect -f '{{.Driver}} {{.Internal}} {{.Attachable}} {{.EnableIPv4}} {{.EnableIPv6}} {{.IPAM.Driver}} {{.IPAM.Options}} {{range .IPAM.Config}}{{if ge (len .Subnet) 6}}{{if eq (slice .Subnet 0 6) "10.213"}}{{json .}}{{end}}{{end}}{{end}} {{json .Options}} {{json .Labels}} {{.ConfigOnly}}' zzn 2>/dev/null; docker network rm zzn >/dev/null 2>&1; done
#@ network-names
r docker network create; r docker network create a b; rq docker network create bridge; rq docker network create host; rq docker network create ''; q docker network create zzn; rq docker network create zzn; r docker network rm zzn; r docker network rm zzn; r docker network rm -f zzn; r docker network rm bridge; r docker network rm
#@ network-config-from
q docker network create --config-only --subnet 10.213.5.0/24 --label c=1 -o com.docker.network.driver.mtu=1400 zzc; docker network inspect -f '{{.ConfigOnly}} {{.Driver}} {{json .IPAM.Config}} {{json .Options}} {{json .Labels}}' zzc
r docker run --rm --network zzc alpine true 2>/dev/null
rq docker network create --config-from zzc zzn; docker network inspect -f '{{.ConfigFrom.Network}} {{.ConfigOnly}} {{json .IPAM.Config}} {{json .Options}} {{json .Labels}}' zzn
rq docker network create --config-from zzc --subnet 10.213.6.0/24 zzm; r docker network rm zzc 2>/dev/null; r docker network rm zzn zzc
#@ network-connect
q docker network create --subnet 10.213.3.0/24 zzn; q docker run -d --name zz1 alpine sleep 100
r docker network connect zzn zz1; r docker network connect zzn zz1 2>/dev/null; docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}};{{end}}' zz1 | sed 's/172[.0-9]*/IP/'
r docker network disconnect zzn zz1; r docker network disconnect zzn zz1 2>/dev/null; true
r docker network connect --ip 10.213.3.77 --alias al --alias bl zzn zz1; docker inspect -f '{{with .NetworkSettings.Networks.zzn}}{{.IPAddress}} {{json .Aliases}} {{json .IPAMConfig}}{{end}}' zz1
docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' zzn
r docker network disconnect zzn zz1; r docker network connect --ip 10.99.0.1 zzn zz1 2>/dev/null; r docker network connect --ip bogus zzn zz1 2>/dev/null; r docker network connect nosuchzz zz1 2>/dev/null; r docker network connect zzn nosuchzz 2>/dev/null; r docker network connect host zz1 2>/dev/null; r docker network connect zzn; r docker network connect --ip6 fd00::7 zzn zz1 2>/dev/null; r docker network connect --driver-opt a=b zzn zz1; r docker network rm zzn 2>/dev/null
#@ network-ls
q docker network create --label a=1 zzn; q docker network create -d bridge --internal zzm
for f in name=zz name=^zzn$ label=a label=a=2 driver=bridge driver=x scope=local scope=swarm scope=x type=custom type=builtin type=x dangling=true dangling=x id=zz bogus=1 bogus; do echo "F $f"; docker network ls --format '{{.Name}}' --filter name=zz --filter "$f" | sort; echo rc=${PIPESTATUS[0]}; done
docker network ls | head -1; docker network ls --filter name=zzm --format '{{.Internal}} {{.IPv4}} {{.IPv6}} {{.Driver}} {{.Scope}} {{.Labels}}|'; docker network ls -q --no-trunc --filter name=zzn | wc -c
for n in bridge host none; do docker network ls --filter name=^$n$ --format '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}}'; done
#@ network-inspect
q docker network create zzn; r docker network inspect -f '{{.Name}} {{.Scope}}' zzn nosuchzz 2>/dev/null; r docker network inspect nosuchzz 2>/dev/null; r docker network inspect; docker network inspect host none -f '{{.Name}} {{.Driver}} {{json .IPAM}} {{json .Options}} {{json .Labels}} {{json .Containers}}'; docker network inspect bridge -f '{{len .IPAM.Config}} {{json .IPAM.Options}}'; docker network inspect -v zzn -f '{{.Name}}'
#@ network-prune
q docker network create zzn; r docker network prune -f --filter label=nosuchzz; r docker network prune -f --filter bogus=1 2>/dev/null; r docker network prune -f --filter x 2>/dev/null; r docker network prune --filter label=nosuchzz </dev/null
#@ context-life
export DOCKER_CONFIG=$PWD/cfg; unset DOCKER_HOST
r docker context ls -q; r docker context show; r docker context create zzc --description 'a b' --docker host=tcp://198.51.100.7:2375; r docker context create zzc --docker host=tcp://1.2.3.4:1; r docker context create 'bad name'; r docker context create zzb --docker bogus=1; r docker context create
r docker context ls --format '{{.Name}}|{{.Description}}|{{.DockerEndpoint}}|{{.Current}}|{{.Error}}' | grep zzc
r docker context inspect zzc -f '{{.Name}} {{.Endpoints.docker.Host}}'; docker context inspect zzc | grep -oE '^ {4,8}"[A-Za-z]+"' | tr -d ' \n'; echo
r docker context update zzc --description new; r docker context update nosuchzz; r docker context use zzc; r docker context show; docker context ls --format '{{.Name}} {{.Current}}'; r docker context use nosuchzz; r docker context show; rq timeout 5 docker ps
r docker context rm zzc; r docker context use default; r docker context rm zzc; r docker context rm zzc; r docker context rm -f nosuchzz; r docker context rm default; r docker context inspect nosuchzz; r docker context rm
#@ context-export
export DOCKER_CONFIG=$PWD/cfg; unset DOCKER_HOST
q docker context create zzc --description d --docker host=tcp://198.51.100.7:2375; docker context export zzc - | tar t; r docker context export zzc 2>/dev/null; ls *.dockercontext; r docker context export zzc zzc.dockercontext 2>/dev/null
r docker context import zzi zzc.dockercontext; docker context export zzc - | docker context import zzj -; docker context inspect zzi zzj -f '{{.Name}} {{.Endpoints.docker.Host}}'; r docker context import zzi zzc.dockercontext 2>/dev/null; echo x >bad; r docker context import zzk bad 2>/dev/null
r docker context create zzm --from zzc; docker context inspect -f '{{.Endpoints.docker.Host}}' zzm; DOCKER_CONTEXT=zzm docker context show; DOCKER_CONTEXT=nosuchzz docker context show; docker --context zzm context show; cat cfg/config.json 2>/dev/null; docker context use zzm >/dev/null; cat cfg/config.json; echo; docker context use default >/dev/null; cat cfg/config.json; echo; find cfg/contexts -name meta.json | wc -l
