#@ up-scale-down-outdated-first
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true}\n' >compose.yaml
q docker compose up -d --scale a=2; sed -i 's/init: true/init: true, labels: {x: y}/' compose.yaml; q docker compose up -d --no-recreate --scale a=3
rq docker compose up -d --no-recreate --scale a=1 2>/dev/null; docker ps --filter name=zzu --format '{{.Names}} {{.Label "x"}}'
#@ up-scale-numbers-go-on
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true, scale: 3}\n' >compose.yaml
q docker compose up -d; q docker rm -f zzu-a-2; q docker compose up -d; docker ps --filter name=zzu --format '{{.Names}}' | sort
#@ up-changed-name-of-resources
f() { printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true, networks: [n], volumes: ["vo:/v"]}\nnetworks: {n: %s}\nvolumes: {vo: %s}\n' "$1" "$2" >compose.yaml; docker compose up -d </dev/null >/dev/null 2>&1 || echo FAIL; i=$(docker compose ps -q a); [ "$i" = "$o" ] && echo kept || echo new; o=$i; docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}} {{range .Mounts}}{{.Name}}{{end}}' $i; }
f '{}' '{}'; f '{labels: {x: y}}' '{}'; f '{internal: true}' '{}'; f '{name: zzother}' '{}'; f '{name: zzother}' '{name: zzvol}'; f '{name: zzother}' '{}'
#@ up-external-name-changed
q docker network create zzn1; q docker network create zzn2; q docker volume create zzv1; q docker volume create zzv2
f() { printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true, networks: [n], volumes: ["vo:/v"]}\nnetworks: {n: {external: true, name: %s}}\nvolumes: {v: {external: true, name: %s}}\n' "$1" "$2" >compose.yaml; q docker compose up -d; i=$(docker compose ps -q a); [ "$i" = "$o" ] && echo kept || echo new; o=$i; docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}} {{range .Mounts}}{{.Name}}{{end}}' $i; }
f zzn1 zzv1; f zzn1 zzv1; f zzn2 zzv1; f zzn2 zzv2
#@ up-renew-anonymous-volumes
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true, volumes: [/d]}\n  b: {image: alpine, command: sleep 100, init: true}\n' >compose.yaml
q docker compose up -d; q docker compose exec -T a touch /d/x; a=$(docker compose ps -q a) b=$(docker compose ps -q b); q docker compose up -d -V
[ $a = $(docker compose ps -q a) ] && echo a kept || echo a new; [ $b = $(docker compose ps -q b) ] && echo b kept || echo b new; docker compose exec -T a ls /d
#@ up-changed-links-and-variables
f() { printf 'name: zzu\nservices:\n  b: {image: alpine, command: sleep 100, init: true}\n  a: {image: alpine, command: sleep 100, init: true%s}\n' "$1" >compose.yaml; q docker compose up -d; i=$(docker compose ps -q a); [ "$i" = "$o" ] && echo "kept $1" || echo "new $1"; o=$i; }
export X=1; f ''; f ', links: [b]'; f ', links: ["b:c"]'; f ', environment: [X]'; X=2; f ', environment: [X]'; f ', environment: [NOSUCH]'; f ', environment: {NOSUCH: }'; f ', depends_on: [b]'; f ', attach: false'; f ', develop: {watch: [{path: ., action: rebuild}]}'; f ', deploy: {labels: {a: b}}'; f ', deploy: {labels: {a: b}, replicas: 1}'; f ', x-a: 1'
#@ up-names-not-known
printf 'name: zzu\nservices:\n  a: {image: alpine, command: "true"}\n' >compose.yaml
for c in '-d nosuch' '--attach nosuch' '--no-attach nosuch' '--exit-code-from nosuch' '-d --scale nosuch=1' '-d --scale a' '-d --scale a=x' '-d --no-deps nosuch' '-d --wait --abort-on-container-exit' '-d --exit-code-from a' '--force-recreate --no-recreate -d' '-d -w' '--wait-timeout x'; do docker compose up $c >/dev/null 2>&1 </dev/null; echo "$c: $?"; done; docker ps -aq --filter name=zzu | wc -l
#@ up-no-recreate-and-stopped
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true}\n  b: {image: alpine, command: "true"}\n' >compose.yaml
q docker compose up -d; q docker compose stop; sed -i 's/init: true/init: true, labels: [x]/' compose.yaml; o=$(docker compose ps -aq a); q docker compose up -d --no-recreate; [ $o = $(docker compose ps -aq a) ] && echo kept; docker compose ps --format '{{.Service}} {{.State}}'
#@ up-remove-orphans
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true}\n  b: {image: alpine, command: sleep 100, init: true}\n' >compose.yaml
q docker compose up -d; q docker compose run -d --name zzone b sleep 100; sed -i /b:/d compose.yaml; q docker compose up -d; docker ps --filter name=zz --format '{{.Names}}' | sort; q docker compose up -d --remove-orphans; docker ps --filter name=zz --format '{{.Names}}' | sort
#@ up-network-of-another-project
printf 'services:\n  a: {image: alpine, command: sleep 100, init: true, networks: [n]}\nnetworks: {n: {name: zzshared}}\n' >compose.yaml
q docker compose -p zzp1 up -d; rq docker compose -p zzp2 up -d 2>/dev/null; docker ps --filter name=zzp --format '{{.Names}}' | sort; sed -i 's/\bn\b/m/' compose.yaml; sed -i 's/networks: {n:/networks: {m:/' compose.yaml; rq docker compose -p zzp3 up -d 2>/dev/null
#@ up-pre-existing-name
q docker run -d --name zzu-a-1 alpine true; printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true}\n' >compose.yaml; rq docker compose up -d 2>/dev/null; docker ps -a --filter name=zzu --format '{{.Names}}'
#@ up-duplicate-container-names
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sleep 100, init: true, container_name: zzx}\n  b: {image: alpine, command: sleep 100, container_name: zzx}\n' >compose.yaml; rq docker compose up -d a 2>/dev/null; rq docker compose ps -q 2>/dev/null; docker ps -aq --filter name=zzx | wc -l
#@ up-attached-streams
printf 'name: zzu\nservices:\n  a: {image: alpine, command: sh -c "echo out; echo err >&2"}\n' >compose.yaml; docker compose up --no-log-prefix >o 2>e; echo $?; grep -cx out o; grep -cx err o; grep -cx err e; docker compose logs --no-log-prefix 2>/dev/null | sort
#@ up-attach-flags
printf 'name: zzu\nservices:\n  a: {image: alpine, command: echo from-a}\n  b: {image: alpine, command: echo from-b, attach: false}\n  c: {image: alpine, command: echo from-c, depends_on: [a]}\n' >compose.yaml
f() { docker compose up --no-log-prefix "$@" 2>/dev/null | grep '^from' | sort | tr '\n' ' '; echo; q docker compose down -t 0; }
f; f --no-attach a; f --attach a; f --attach b; f c; f --attach-dependencies c
