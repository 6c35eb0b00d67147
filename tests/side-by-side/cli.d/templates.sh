#@ format-inspect-typed
q docker create --name zz1 -p 18651:80 --label com.a=b -v zzv:/v alpine true
for f in '{{.HostConfig.PortBindings}}' '{{.Config.Healthcheck}}' '{{.State.Health}}' '{{.Config.Entrypoint}}' '{{.Config.Volumes}}' '{{.HostConfig.RestartPolicy}}' '{{.HostConfig.LogConfig}}' '{{.Config.Labels.nosuch}}|' '{{index .Config.Labels "nosuch"}}|' '{{.HostConfig.Init}}' '{{.HostConfig.Dns}}' '{{.HostConfig.DNS}}' '{{len .Mounts}}{{(index .Mounts 0).Name}}' '{{json .HostConfig.RestartPolicy}}' '{{json .HostConfig.LogConfig}}' '{{json (index .Mounts 0).Type}}' '{{printf "%q %v %5d|" .Name .State.Running .State.ExitCode}}' '{{eq .State.Status "created"}}' '{{.SizeRw}}' '{{.HostConfig.PidsLimit}}' '{{.NetworkSettings.Ports}}' '{{range $k, $v := .HostConfig.PortBindings}}{{$k}}={{(index $v 0).HostPort}}{{end}}' '{{println .Name}}' '{{.Name}}\t{{.Platform}}'; do echo "F $f"; docker inspect -f "$f" zz1; echo rc=$?; done
#@ format-errors
q docker create --name zz1 alpine true
for f in '{{.Nope}}' '{{.State.Nope}}' '{{nofunc}}' '{{.State' '{{if}}x{{end}}' '{{index .Mounts 3}}' '{{end}}' '{{.Name | nofunc}}' '{{template "x"}}' '{{upper .RestartCount}}' '{{join .Name ","}}' '{{$x}}' '{{range .Name}}{{end}}' '{{.Config.Healthcheck.Test}}' '{{lt .Name 1}}'; do for c in 'inspect' 'container inspect'; do docker $c -f "$f" zz1 >out 2>err; echo "$f $c rc=$? $(cat out) $([ -s err ] && echo said)"; done; done
docker volume create zzv >/dev/null
for c in 'ps -a --filter name=zz1' 'images alpine' 'network ls' 'volume ls' 'history alpine' 'version' 'info' 'system df'; do for f in '{{.Nope}}' '{{nofunc}}' '{{.ID'; do docker $c --format "$f" >out 2>err; echo "$c $f rc=$? $([ -s err ] && echo said)"; done; done
#@ format-language
q docker create --name zz1 --label a=1 --label b=2 alpine sh -c 'x y'
for f in '{{range $i, $a := .Args}}{{if $i}},{{end}}{{$a}}{{end}}' '{{range .Args}}{{.}}{{break}}{{end}}' '{{with .Config}}{{.Image}}{{else}}none{{end}}' '{{$n := .Name}}{{$n}}{{$n = "x"}}{{$n}}' '{{- .Name -}} x' '{{slice .Name 1 3}}' '{{and .Name .Path}} {{or "" "z"}} {{not .Name}}' '{{print 1 2 "a" .RestartCount}}' '{{printf "%-8s|%8s|%03d|%t|%x" .Path .Path 7 true 255}}' '{{html "<&>"}} {{js "\"x\""}} {{urlquery "a/b c"}}' '{{define "t"}}[{{.}}]{{end}}{{template "t" .Path}}{{template "t" .Args}}' '{{block "b" .Path}}<{{.}}>{{end}}' '{{len .Args}} {{len .Path}} {{len .Config.Labels}}' '{{.Config.Labels}} {{.Args}}' '{{"\t"}}|{{`a\tb`}}|{{"\""}}' '{{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{ge "b" "a"}}' '{{split "a,b" ","}} {{join .Args "+"}} {{title "ab cd"}} {{upper "a"}} {{truncate "abcdef" 3}} {{pad "x" 1 2}}|' '{{/* no */}}{{1.5}} {{0x1f}} {{true}} {{'"'a'"'}}' '{{range 3}}{{.}}{{end}}' '{{printf "%v %s %d" .Args .Name "x"}}' '{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{else}}none{{end}}'; do echo "F $f"; docker inspect -f "$f" zz1; echo rc=$?; done
#@ format-tables
q docker create --name zz1 --label com.example.some-label=x alpine true; sleep 1.1
r docker ps -a --filter name=zz1 --format 'table {{.Names}}\t{{.Label "com.example.some-label"}}\t{{.Image}}'
r docker ps -a --filter name=zz1 --format 'table {{upper .Names}} {{json .State}}'
r docker ps -a --filter name=zz1 --format 'table'
r docker ps -a --filter name=nosuchzz --format 'table {{.Names}}\t{{.Nope}}'
r docker ps -a --filter name=nosuchzz --format '{{.Nope}}'
r docker ps -a --filter name=zz1 --format '{{.Label "nosuch"}}|{{.Label}}'
r docker ps -a --filter name=zz1 --format 'raw'
r docker network ls --filter name=^none$ --format raw
r docker images --format 'table {{.Repository}}\t{{.Containers}}' alpine:3.10
docker images --format json alpine:3.10 | sed 's/"ID":"[^"]*"//;s/"Created[^,]*,//g'
docker network ls --filter name=^host$ --format '{{json .Labels}} {{json .}}' | sed 's/"ID":"[^"]*"//;s/"CreatedAt":"[^"]*"//'
docker volume create zzv >/dev/null; docker volume ls --filter name=zzv --format json | sed 's/"Mountpoint":"[^"]*"//'; docker volume ls --filter name=zzv --format '{{.Name}} {{.Driver}} {{.Size}} {{.Links}} {{.Labels}}|'
#@ format-json-order
q docker create --name zz1 -v zzv:/v alpine true; q docker network create --label b=1 --label a=2 zzn
docker inspect zz1 | grep -oE '^ {4,8}"[A-Za-z]+"' | tr -d ' \n'; echo
docker inspect -f '{{json .HostConfig}}' zz1 | grep -oE '"[A-Z][A-Za-z]+":' | tr -d '\n'; echo
docker inspect -f '{{json .State}}' zz1
docker inspect -f '{{json .Config}}' zz1 | sed 's/"Hostname":"[^"]*"//'
docker network inspect zzn | grep -oE '^ {4,8}"[A-Za-z0-9]+"' | tr -d ' \n'; echo
docker network inspect -f '{{json .Labels}} {{json .IPAM.Driver}} {{.IPAM.Options}} {{json .Containers}} {{.ConfigFrom}}' zzn
docker volume inspect zzv | grep -oE '^ {4,8}"[A-Za-z]+"' | tr -d ' \n'; echo
docker image inspect alpine | grep -oE '^ {8}"[A-Za-z]+"' | tr -d ' \n'; echo
docker image inspect -f '{{.RepoTags}} {{.Config.Cmd}} {{.Config.Entrypoint}}' alpine
